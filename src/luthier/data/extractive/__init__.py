"""Questions answered by spans of a context: windows over long contexts, and spans read from scores."""
