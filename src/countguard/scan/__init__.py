"""After training and at run time: is this counter backdoored, and is this picture an attack?"""
