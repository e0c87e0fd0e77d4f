"""`luthier ab`: a file per command."""
