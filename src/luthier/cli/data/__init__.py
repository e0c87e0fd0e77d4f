"""`luthier data`: a file per command."""
