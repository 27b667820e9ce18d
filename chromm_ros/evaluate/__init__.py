"""How good a reconstruction is: metrics of the field, and truth to hold results against."""
