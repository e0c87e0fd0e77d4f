"""`luthier prompt`: a file per command."""
