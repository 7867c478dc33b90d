"""What jobs share about models: verify a folder, load it, template and mask, generate. A library, no job."""
