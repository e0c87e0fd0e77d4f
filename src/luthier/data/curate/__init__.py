"""From source files to rows that are ready to be trained: cleaned, judged, split, multiplied, balanced, told."""
