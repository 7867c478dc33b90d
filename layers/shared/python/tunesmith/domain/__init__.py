"""Rules of the platform as pure functions: no clock, no network, no randomness."""
