"""Words with tags: the schemes that tags follow, and the tokens that carry them."""
