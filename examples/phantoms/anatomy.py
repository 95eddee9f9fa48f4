"""Draws one synthetic image of each kind, with its label. All sizes vary from patient to patient.

Each function takes a Scanner, the patient's random source (what is the same in all images of the patient is drawn from it first) and
the image's, and returns an image, 0 to 1, with its label.
"""

import numpy

from phantoms.scanner import field, grid


def brain(scanner, patient, draw, shape=(32, 44, 32)):
    """A crop of brain MR around a hippocampus: a volume and its classes (1 anterior, 2 posterior part), as in the Medical Segmentation Decathlon."""
    x, y, z = grid(shape)
    bend, tilt, size = patient.uniform(0.1, 0.5), patient.uniform(-0.25, 0.25), patient.uniform(0.85, 1.2)
    lower, middle = patient.uniform(-0.3, 0.1), patient.uniform(-0.25, 0.25)
    along = (y - 0.05) / 0.75                                    # -1 at the tail, 1 at the head
    offset = numpy.hypot((x - middle - bend * along**2 * 0.5 + 0.2 * bend), (z - lower - tilt * along + 0.35 * along) * 1.15)
    radius = 0.32 * size * (1 + 0.35 * along) * numpy.sqrt((1 - along**2).clip(0))
    wobble = 1 + 0.12 * field(patient, shape, 3)
    inside = offset * wobble < radius
    label = numpy.where(inside, numpy.where(along > 0.05, 1, 2), 0).astype(numpy.uint8)

    folds = field(patient, shape, 2.5)
    white, grey, fluid = 0, 1, 2
    tissue = numpy.where(folds > 1.0, grey, white)
    tissue = numpy.where(folds < -1.6, fluid, tissue)
    ventricle = numpy.hypot(x - middle - 0.45, (z - lower - 0.45) * 0.8) < patient.uniform(0.12, 0.28)
    tissue = numpy.where(ventricle & (abs(along) < 1.1), fluid, tissue)
    tissue = numpy.where((offset * wobble < radius * 1.4) & ~inside, white, tissue)
    tissue = numpy.where(inside, grey, tissue)
    for _ in range(draw.poisson(1.5)):                           # lesions of the white matter, which aren't hippocampus
        centre, extent = draw.uniform(-0.8, 0.8, 3), draw.uniform(0.08, 0.2)
        spot = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2 < extent**2
        tissue = numpy.where(spot & (label == 0), grey, tissue)
    first, last = (0.8, 0.45, 0.1), (0.62, 0.4, 0.95)            # white matter, grey matter, fluid
    signal = scanner.between(first, last)[tissue]
    return scanner.acquire(signal + 0.03 * field(draw, shape, 1), draw, blur=0.9, noise=0.07), label


def heart(scanner, patient, draw, side=96):
    """A short-axis frame of cardiac MR and the mask of the left ventricle's cavity, papillary muscles included."""
    y, x = grid((side, side))
    middle, size, turn = patient.uniform(-0.18, 0.18, 2), patient.uniform(0.85, 1.15), patient.uniform(0, numpy.pi)
    phase, wall = draw.uniform(0.6, 1.0), patient.uniform(0.08, 0.14)      # from end systole to end diastole
    y, x = y - middle[0], x - middle[1]
    angle = numpy.arctan2(y, x)
    edge = 1 + 0.08 * numpy.cos(2 * (angle - turn)) + 0.04 * numpy.cos(3 * angle + turn)
    distance, cavity = numpy.hypot(x, y) / edge, 0.24 * size * phase
    label = distance < cavity
    muscle = (distance < cavity + wall * (1.5 - 0.5 * phase)) & ~label
    side_of = (numpy.cos(angle - turn - 2.4) > 0.35) & (distance < cavity + wall + 0.22 * size) & ~label & ~muscle
    body = numpy.hypot(x * 0.95, y * 1.15) < 0.98
    lungs = numpy.hypot((abs(x) - 0.6) * 1.7, y + 0.15) < 0.5
    fat = body & (numpy.hypot(x * 0.95, y * 1.15) > 0.88)
    vessel = numpy.hypot(x + 0.05, y - 0.62) < 0.12
    blood, myocardium, lung, other, fatty = scanner.between((0.85, 0.3, 0.05, 0.4, 0.95), (0.35, 0.6, 0.15, 0.25, 0.5))
    signal = numpy.where(body, other + 0.12 * field(patient, (side, side), 4), 0.02)
    for where, value in ((fat, fatty), (lungs & body, lung), (vessel, blood), (side_of, blood), (muscle, myocardium), (label, blood)):
        signal = numpy.where(where, value, signal)
    for at in patient.uniform(0, 2 * numpy.pi, 2):               # papillary muscles
        spot = numpy.hypot(x - 0.6 * cavity * numpy.cos(at), y - 0.6 * cavity * numpy.sin(at)) < 0.2 * cavity
        signal = numpy.where(spot & label, myocardium, signal)
    scar = muscle & (abs(numpy.angle(numpy.exp(1j * (angle - turn)))) < patient.uniform(0, 0.8))
    signal = numpy.where(scar, 0.5 * (blood + myocardium), signal)
    flow = 0.08 * field(draw, (side, side), 3) * (label | side_of)
    return scanner.acquire((signal + flow).clip(0), draw, blur=1.5, noise=0.12, bias=0.9), label


def colon(scanner, patient, draw, side=96):
    """A colonoscopy image in colour and the mask of its polyp."""
    y, x = grid((side, side))
    lumen, radius = draw.uniform(-0.5, 0.5, 2), draw.uniform(0.1, 0.3)
    depth = numpy.hypot(y - lumen[0], x - lumen[1])
    folds = 0.12 * numpy.sin(depth * draw.uniform(9, 16) + field(draw, (side, side), 8))
    light = (0.35 + 0.5 * depth.clip(0, 1.2) / 1.2 + folds) * (depth > radius * 0.6)
    wall = scanner.between((0.95, 0.5, 0.4), (0.55, 0.75, 0.7))  # white light, and a narrow band of it
    vessels = scanner.between((0.8, 0.25, 0.2), (0.35, 0.45, 0.35))
    veins = numpy.exp(-(field(patient, (side, side), 3) * 5) ** 2)[..., None]
    signal = light[..., None] * (wall * (1 - 0.5 * veins) + vessels * 0.5 * veins)
    for _ in range(draw.poisson(2)):                             # bubbles and stool, which are no polyps
        centre, extent = draw.uniform(-0.9, 0.9, 2), draw.uniform(0.05, 0.16)
        spot = (numpy.hypot(y - centre[0], x - centre[1]) < extent)[..., None]
        signal = numpy.where(spot, scanner.between((0.75, 0.65, 0.25), (0.7, 0.6, 0.5)) * draw.uniform(0.6, 1), signal)
    centre, axes, turn = draw.uniform(-0.55, 0.55, 2), draw.uniform(0.18, 0.42) * draw.uniform(0.75, 1.3, 2), draw.uniform(0, numpy.pi)
    across = (x - centre[1]) * numpy.cos(turn) + (y - centre[0]) * numpy.sin(turn)
    down = (y - centre[0]) * numpy.cos(turn) - (x - centre[1]) * numpy.sin(turn)
    reach = numpy.hypot(across / axes[0], down / axes[1]) * (1 + 0.08 * field(draw, (side, side), 6))
    label = reach < 1
    bump = 0.5 + 0.45 * numpy.sqrt((1 - reach**2).clip(0)) - 0.15 * (across + down)
    tissue = scanner.between((0.95, 0.42, 0.38), (0.45, 0.5, 0.42)) * (1 + 0.1 * field(draw, (side, side), 1.5)[..., None])
    signal = numpy.where(label[..., None], bump[..., None] * tissue, signal)
    shadow = ((reach >= 1) & (reach < 1.2) & (across + down > 0))[..., None]
    signal = numpy.where(shadow, signal * 0.6, signal)
    for _ in range(draw.poisson(4)):                             # reflections of the light
        centre = draw.uniform(-0.9, 0.9, 2)
        signal = numpy.where((numpy.hypot(y - centre[0], x - centre[1]) < draw.uniform(0.02, 0.05))[..., None], 1.0, signal)
    return scanner.acquire(signal.clip(0, 1), draw, blur=1.5, noise=0.1, bias=0.6), label


def limb(scanner, patient, draw, fractured, side=96):
    """A radiograph of a forearm or lower leg; `fractured` draws a break with a shifted end into one of the two bones."""
    y, x = grid((side, side))
    turn, size = draw.uniform(-0.35, 0.35), patient.uniform(0.85, 1.15)
    across = x * numpy.cos(turn) + y * numpy.sin(turn) + draw.uniform(-0.1, 0.1)
    along = y * numpy.cos(turn) - x * numpy.sin(turn)
    flesh = 0.55 * size * (1 - 0.12 * along + 0.05 * field(patient, (side, side), 20))
    signal = 0.18 * numpy.sqrt((1 - (across / flesh) ** 2).clip(0)) + 0.02
    broken, at, slope = draw.integers(2), draw.uniform(-0.5, 0.5), draw.uniform(-0.9, 0.9)
    for bone, (middle, width) in enumerate(((-0.2 * size, 0.13 * size), (0.22 * size, 0.09 * size))):
        line = along - at - slope * (across - middle)            # 0 along the break
        shift = numpy.where(line > 0, draw.uniform(0.02, 0.05) * draw.choice([-1, 1]), 0.0) if fractured and bone == broken else 0.0
        flare = width * (1 + 0.7 * (abs(along) - 0.35).clip(0) ** 1.5)
        reach = (across - middle - 0.06 * along**2 - shift) / flare
        thick = numpy.sqrt((1 - reach**2).clip(0)) - 0.75 * numpy.sqrt((0.55 - reach**2).clip(0))   # a tube: bright walls
        spongy = 0.08 * field(draw, (side, side), 1.2) * (abs(reach) < 0.8)
        absorbed = scanner.between(0.75, 0.5) * (thick + spongy)
        if fractured and bone == broken:
            absorbed = absorbed * (1 - 0.75 * numpy.exp(-(line / 0.03) ** 2))
        elif draw.random() < 0.5:                                # a vessel's canal or a growth plate, which is no break
            level = draw.uniform(-0.8, 0.8)
            absorbed = absorbed * (1 - 0.3 * numpy.exp(-((along - level) / 0.05) ** 2))
        signal = signal + absorbed.clip(0)
    if draw.random() < 0.3:                                      # the edge of a cast
        signal = signal + 0.08 * (abs(across) > flesh * 0.9) * (abs(across) < flesh * 1.15)
    return scanner.acquire(signal.clip(0, 1), draw, blur=1.6, noise=0.09, bias=0.7), int(fractured)


def chest(scanner, patient, draw, ill, side=64):
    """A chest radiograph; `ill` draws one to three cloudy opacities into the lungs."""
    y, x = grid((side, side))
    size, turn, breath = patient.uniform(0.85, 1.1), draw.uniform(-0.12, 0.12), draw.uniform(0.85, 1.1)
    y, x = y * numpy.cos(turn) - x * numpy.sin(turn) + draw.uniform(-0.08, 0.08), x * numpy.cos(turn) + y * numpy.sin(turn)
    body = numpy.hypot(x / 0.95, (y - 0.1) / 1.3) < size
    lungs = numpy.zeros((side, side))
    for half in (-1, 1):
        reach = numpy.hypot((x - half * 0.42 * size) / (0.33 * size), (y + 0.02) / (0.68 * size * breath))
        lungs = numpy.maximum(lungs, 1 / (1 + numpy.exp((reach - 1) * 12)))
    heart_shadow = 1 / (1 + numpy.exp((numpy.hypot((x - 0.12) / 0.3, (y - 0.28) / 0.3) / patient.uniform(0.8, 1.15) - 1) * 10))
    spine = numpy.exp(-(x / 0.12) ** 2)
    ribs = (0.5 + 0.5 * numpy.cos((y * 1.1 + 0.5 * abs(x) ** 1.5) * patient.uniform(17, 22) + patient.uniform(0, 6))) ** 3 * (abs(x) > 0.14)
    vessels = numpy.exp(-(field(draw, (side, side), 2) * 3) ** 2) * numpy.exp(-((abs(x) - 0.15).clip(0) / 0.3) ** 2)
    bone, soft = scanner.between((0.22, 0.5), (0.09, 0.62))      # voltage of the tube: bones stand out, or hardly
    signal = body * (soft * (1 - 0.72 * lungs) + 0.25 * heart_shadow + bone * (spine + ribs * 0.8) + 0.1 * vessels * lungs)
    signal = signal + 0.05 * field(patient, (side, side), 6) * body
    if ill:
        for _ in range(draw.integers(1, 4)):
            centre = numpy.array([draw.choice([-0.42, 0.42]) * size + draw.uniform(-0.12, 0.12), draw.uniform(-0.35, 0.45)])
            reach = numpy.hypot(x - centre[0], y - centre[1]) / draw.uniform(0.14, 0.28)
            cloud = (1 + 0.4 * field(draw, (side, side), 2)).clip(0) / (1 + numpy.exp((reach - 1) * 5))
            signal = signal + draw.uniform(0.2, 0.4) * cloud * lungs
    return scanner.acquire(signal.clip(0, 1), draw, blur=1.2, noise=0.09, bias=0.7), int(ill)
