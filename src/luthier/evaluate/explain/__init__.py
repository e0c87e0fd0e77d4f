"""Attribution: which words of a text a classifier's answer stands on, and whether that explanation holds."""
