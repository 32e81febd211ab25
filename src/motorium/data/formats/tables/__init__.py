"""Tables of numbers: text and columnar files, what their columns are, where episodes begin."""
