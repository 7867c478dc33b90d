"""Labels of the rows of a file: asked of a model, and reviewed by people."""
