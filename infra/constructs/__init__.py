"""The one way to make each thing that the platform is made of."""
