"""The English of what analysis found: its values go in, sentences for people come out. Nobody reads one again."""
