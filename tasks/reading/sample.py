"""What the built-in corpora share."""

import re


def tidy(text):
    """Capital letters where sentences begin, and "an" before a vowel.

    >>> tidy("a awful film. still, I liked it.")
    'An awful film. Still, I liked it.'
    """
    text = re.sub(r"\ba(?= (?!use)[aeiou])", "an", text)
    return re.sub(r"(^|\. )([a-z])", lambda start: start[1] + start[2].upper(), text)
