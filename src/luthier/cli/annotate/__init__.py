"""`luthier data annotate`: a file per command."""
