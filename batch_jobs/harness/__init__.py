"""How every job starts and ends: params in, fenced, watched, result last. A library, no job."""
