"""`luthier rate`: a file per command."""
