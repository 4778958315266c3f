"""The English of facts: one phrase for each kind, in files that are named as those of analysis/facts/."""
