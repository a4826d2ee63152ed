"""The recurrences as CPU operations in C++, compiled on first use."""
