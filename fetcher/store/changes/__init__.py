"""The change feed's tables: noting changes, numbering committed ones, and reading pages."""
