"""The GPU programme in stages: is it correct, how fast is it, where does the time go.

``runner`` starts each stage of ``stages`` in a process of its own, ``results`` keeps what came out,
``report`` writes it down. The stages themselves are ``correct``, ``compiled``, ``memory``,
``steps``, ``kernels`` and ``profiles``.
"""
