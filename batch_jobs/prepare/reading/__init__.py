"""Reading: any upload becomes blocks of JSON lines, each with its place in the file."""
