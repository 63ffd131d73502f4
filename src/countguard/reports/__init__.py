"""Tables, figures and one page, from the folder of a study; and what the terminal shows.

Nothing is imported here: figures need matplotlib, and most verbs need no figure.
"""
