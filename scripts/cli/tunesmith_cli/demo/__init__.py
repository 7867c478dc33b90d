"""The demo: the whole loop on one machine, on real input."""
