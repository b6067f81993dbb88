"""Training of the demo models: the same world, optimiser, averages and state for both networks.

``batches`` draws pictures and captions, ``objectives`` says what a network shall predict, and
``state`` holds weights and optimisers and survives being killed. ``demo_model.train`` is the loop.
"""
