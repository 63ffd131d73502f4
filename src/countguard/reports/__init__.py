"""Tables, figures and one page, from the folder of a finished study."""
