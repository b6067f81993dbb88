"""English words that the offline planner knows. Data only."""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """The words of a text as a set."""
    return frozenset(text.split())


COLOURS = words("""
    red green blue yellow purple orange cyan white black gray grey brown pink violet magenta
    turquoise teal indigo maroon crimson scarlet beige ivory cream navy olive lime gold golden
    silver bronze copper amber emerald ruby sapphire azure lavender lilac peach coral salmon tan
    khaki mint mustard burgundy charcoal multicolored multicoloured colorful colourful rainbow
    pastel monochrome reddish bluish greenish yellowish whitish blackish blond blonde
""")
COLOUR_MODIFIERS = words("""
    dark light bright pale deep vivid soft dull neon hot royal sky forest navy baby very
    slightly extremely rather quite really
""")
MATERIALS = words("""
    wooden wood metal metallic steel iron brass glass crystal plastic leather velvet silk cotton
    wool woolen woollen knitted linen denim lace fur furry paper cardboard ceramic porcelain
    clay marble stone granite brick concrete rubber wicker rattan bamboo straw jade pearl
    diamond ice wax felt
""")
LOOKS = words("""
    dark bright pale vivid glossy shiny matte rough smooth fluffy furry fuzzy hairy spotted
    striped checkered plaid polka-dot dotted patterned textured rusty dusty dirty clean muddy
    wet dry frosted transparent translucent opaque glowing gleaming sparkling glittering
    luminous dim sunlit moonlit backlit misty foggy hazy blurry sharp weathered worn old new
    ancient antique vintage retro modern rustic ornate elegant plain simple abstract realistic
    cartoon cartoonish minimalist gothic baroque futuristic cyberpunk young elderly beautiful
    pretty cute ugly handsome lovely delicate fresh ripe rotten cozy cosy warm cold cool hot
    happy sad angry curly straight bushy leafy grassy snowy sandy rocky icy cloudy stormy sunny
    rainy starry bald thick thin wavy slim fat chubby muscular majestic mighty calm fierce tame
    wild sleepy polished shallow cracked steep juicy crisp crunchy plump prickly spiky bumpy
    jagged silky velvety sleek sturdy fragile delicious fragrant sparkly leafless barren lush
""")
SIZES = words("""
    big small large tiny huge little tall short long giant gigantic enormous miniature massive
    wide narrow round square triangular circular oval rectangular
""")
ATTRIBUTE_SUFFIXES = (
    "-colored", "-coloured", "-haired", "-eyed", "-shaped", "-like", "ish", "ous", "ful", "less",
)  # fmt: skip
NOT_ATTRIBUTES = words("""
    previous various fish dish radish brush finish polish spanish english houses octopus mouse
    house blouse
""")

# Two words whose first one says what the thing is, not how it looks.
COMPOUNDS = frozenset({
    "ice cream", "ice cube", "ice cubes", "hot dog", "hot dogs", "hot air", "golden retriever",
    "orange juice", "peach tree", "olive tree", "olive oil", "coral reef", "black hole",
    "blue whale", "red panda", "white shark", "green tea", "red wine", "white wine", "wild boar",
    "new york", "modern art", "paper plane", "paper airplane", "pearl harbor", "silver surfer",
    "iron man", "glass blower", "rainbow trout", "cold war", "warm front", "lime tree",
    "lime juice", "rubber duck", "rubber ducks", "clay court", "cotton candy", "old man",
    "old woman", "old lady", "young man", "young woman", "young lady", "young girl", "young boy",
    "square root", "stone age", "plastic surgeon", "metal band", "felt pen", "lace curtain",
})  # fmt: skip

DETERMINERS = words("a an the some several many his her its their my your our another one each")
FUNCTION_WORDS = words("""
    on in at to from there please draw paint show create generate make imagine i it they left
    right top bottom center centre middle background with behind above below beside under
""")
NUMBERS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "sixteen": 16, "twenty": 20,
}  # fmt: skip
IRREGULAR_SINGULARS = {
    "people": "person", "men": "man", "women": "woman", "children": "child", "mice": "mouse",
    "geese": "goose", "feet": "foot", "teeth": "tooth", "wolves": "wolf", "leaves": "leaf",
    "knives": "knife", "loaves": "loaf", "shelves": "shelf", "calves": "calf", "elves": "elf",
    "oxen": "ox", "cacti": "cactus", "fish": "fish", "sheep": "sheep", "deer": "deer",
    "firemen": "fireman", "policemen": "policeman", "snowmen": "snowman", "potatoes": "potato",
    "tomatoes": "tomato", "heroes": "hero", "pies": "pie", "cookies": "cookie",
    "zombies": "zombie", "horses": "horse", "houses": "house", "vases": "vase", "roses": "rose",
    "geishas": "geisha", "cherries": "cherry", "bookcases": "bookcase", "shoes": "shoe",
    "canoes": "canoe",
}  # fmt: skip

PLACES = words("""
    room kitchen bedroom bathroom livingroom hall hallway office studio classroom library museum
    gallery church cathedral castle palace shop store market supermarket restaurant cafe bar pub
    garage attic basement cellar barn stable farm garden park forest woods jungle rainforest
    meadow field desert beach island sea ocean lake river valley canyon mountain mountains hills
    street alley road city town village plaza harbor harbour port station airport stadium
    playground courtyard backyard yard balcony terrace rooftop cave space sky snow rain fog
    sunset sunrise night night-time evening morning dusk dawn laboratory lab workshop factory
    hospital school gym theater theatre stage zoo aquarium vineyard orchard landscape interior
    scene cottage cabin house apartment temple tavern dungeon spaceship countryside savanna
    savannah swamp glade clearing dojo pool bakery bookstore greenhouse countryside
""")

STYLE_HEADS = (
    r"style|painting|sketch|drawing|illustration|photograph|photography|photo|render|rendering|"
    r"engraving|woodcut|pixel art|concept art|line art|anime|cartoon|comic|watercolou?r|"
    r"oil on canvas|ukiyo-e|artwork|digital art|collage|mosaic|portrait photo|lighting|bokeh"
)
STYLE_WORDS = (
    r"photorealistic|photo-realistic|realistic|hyperrealistic|cinematic|impressionist|"
    r"impressionism|surrealism|surreal|surrealist|minimalist|minimalism|cubist|cubism|baroque|"
    r"art nouveau|art deco|pop art|studio ghibli|4k|8k|hdr|high quality|best quality|masterpiece|"
    r"(?:highly |very |ultra )?detailed|sharp focus|soft light|warm light|golden hour|"
    r"black and white|monochrome|pastel colou?rs|vibrant colou?rs|muted colou?rs|film grain|"
    r"low[- ]poly|isometric|flat design|claymation|cyberpunk|steampunk|vaporwave|unreal engine"
)

# Things that usually lie high or low in a picture. The first two lists place a phrase that has no
# position of its own; the third only decides between cells that fit equally well.
USUALLY_HIGH = words("sky sun moon cloud clouds star stars rainbow ceiling galaxy aurora")
USUALLY_LOW = words("ground floor grass lawn carpet rug pavement sidewalk")
RATHER_LOW = words("""
    chair armchair table sofa couch bed bench desk stool dog cat puppy kitten rabbit car river
    road water lake flower flowers box ball shoe shoes
""")
# Things that reach across a picture, and words for how large a thing is: (width, height) as factors
# on an even cell.
WIDE = words("""
    sky sea ocean ground floor wall horizon lawn meadow beach desert field river street road
    skyline mountains hills clouds aurora forest ceiling curtain canyon valley lake
""")
SIZE_FACTORS = {
    "tiny": (0.5, 0.5), "miniature": (0.5, 0.5), "little": (0.65, 0.65), "small": (0.65, 0.65),
    "big": (1.4, 1.4), "large": (1.4, 1.4), "huge": (1.8, 1.8), "giant": (1.8, 1.8),
    "gigantic": (1.8, 1.8), "enormous": (1.8, 1.8), "massive": (1.8, 1.8), "tall": (0.85, 1.5),
    "wide": (1.5, 0.85), "long": (1.5, 0.85), "narrow": (0.65, 1.0),
}  # fmt: skip
