"""Layout: what is named in a scene, put into boxes on the canvas."""
