"""Omost canvases as a language model writes them: the Python form, and the JSON of its calls."""

from __future__ import annotations

CANVAS = """
# Initialize Canvas
canvas = Canvas()

# Set a global description for the canvas
canvas.set_global_description(
    description='A quiet room by the sea.',
    detailed_descriptions=[
        'Morning light falls through the window.',
        "The walls are painted white.",
    ],
    tags='room, sea, morning',
    HTML_web_color_name='lightblue',
)

canvas.add_local_description(
    location='on the left',
    offset='slightly to the upper-left',
    area='a medium-sized vertical area',
    distance_to_viewer=5.0,
    description='An open window.',
    detailed_descriptions=['A white curtain moves in the wind.'],
    tags='window, curtain',
    atmosphere='Calm.',
    style='Realistic.',
    quality_meta='High detail.',
    HTML_web_color_name='whitesmoke',
)

canvas.add_local_description('in the center', 'no offset', 'a small square area', 2.5,
    'A cat on a chair.', ['It is orange.'], 'cat', 'Cosy.', 'Realistic.', 'Sharp.', 'darkorange')
"""


def calls(**changes):
    local = {
        "location": "on the right",
        "area": "a large vertical area",
        "distance_to_viewer": 1,
        "description": "a tree",
        **changes,
    }
    return {
        "set_global_description": {"description": "a garden"},
        "add_local_description": [local],
    }
