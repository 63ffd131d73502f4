"""Attack, measure, audit, repair and explain crowd counters under backdoor attacks.

    import countguard as cg

`__init__.pyi` lists the public names. Each is loaded when it is first used, so that `import countguard` costs nothing.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, _names = lazy_loader.attach_stub(__name__, __file__)
__all__ = ["__version__", *_names]
