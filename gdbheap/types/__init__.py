"""Types as debug information tells them, as values: catalogues of types, members and variables."""
