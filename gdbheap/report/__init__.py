"""Answers, before and after they have a look."""
