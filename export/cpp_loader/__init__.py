"""A SavedModel loaded as TF Serving loads it: a C++ program."""
