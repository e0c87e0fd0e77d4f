"""What is in the rows: classes, lengths, languages, groups, bias and drift, counted while rows stream by."""
