"""Answers as drawings, in lines of text."""
