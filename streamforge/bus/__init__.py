"""The log, as the rest of the product sees it: the only package that imports kafka-python."""
