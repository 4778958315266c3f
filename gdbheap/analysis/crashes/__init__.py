"""Why did it die? Verdicts on a stop, each with its evidence: one file for each kind of evidence."""
