# SPDX-License-Identifier: Apache-2.0
"""Pictures with known boxes, and what cb-detect finds in them.

A set is read from a folder into a frame stream and true boxes as metric.py wants them. Boxes are
normalised until a picture's size is known from cb-detect, and in pixels from then on. Names of
classes are COCO's; a model's own names are understood where they mean the same."""
import glob
import json
import math
import os
import subprocess
import tempfile
import xml.etree.ElementTree as xml

import pictures

COCO = """person|bicycle|car|motorcycle|airplane|bus|train|truck|boat|traffic light|fire hydrant|
stop sign|parking meter|bench|bird|cat|dog|horse|sheep|cow|elephant|bear|zebra|giraffe|backpack|
umbrella|handbag|tie|suitcase|frisbee|skis|snowboard|sports ball|kite|baseball bat|baseball glove|
skateboard|surfboard|tennis racket|bottle|wine glass|cup|fork|knife|spoon|bowl|banana|apple|
sandwich|orange|broccoli|carrot|hot dog|pizza|donut|cake|chair|couch|potted plant|bed|dining table|
toilet|tv|laptop|mouse|remote|keyboard|cell phone|microwave|oven|toaster|sink|refrigerator|
book|clock|vase|scissors|teddy bear|hair drier|toothbrush""".replace("\n", "").split("|")
SAME = {"body": "person", "people": "person", "pedestrian": "person", "sofa": "couch",
        "pottedplant": "potted plant", "diningtable": "dining table", "tvmonitor": "tv",
        "motorbike": "motorcycle", "aeroplane": "airplane", "license plate": "plate",
        "licence plate": "plate", "number plate": "plate", "licenseplate": "plate"}
# more than one class under one name; a model may have that name itself
GROUPS = {"vehicle": ["car", "motorcycle", "bus", "truck"], "animal": COCO[14:24]}


class Problem(Exception):
    """What is the matter, in a line for people."""


def class_name(name):
    name = name.strip().lower().replace("_", " ")
    return SAME.get(name, name)


class Set:
    """name; names: of the pictures; true; classes: that it has boxes for; stream: a file."""

    def __init__(self, name, classes):
        self.name, self.names, self.true, self.classes = name, [], [], classes
        self.stream = tempfile.TemporaryFile()

    def box(self, category, x, y, w, h, picture=None, unit=True, crowd=False):
        self.true.append({"picture": len(self.names) if picture is None else picture, "category": category,
                          "box": (x, y, w, h), "unit": unit, "crowd": crowd})

    def pictures(self, paths):
        if not paths:
            raise Problem(f"{self.name}: no pictures")
        s = pictures.Stream(self.stream)
        for path in paths:
            with open(path, "rb") as f:
                s.picture(f.read())
        s.end()
        self.names = paths

    def boxes(self, sizes):
        """The true boxes in pixels, cut to their pictures as cb-detect cuts what it finds."""
        out = []
        for t in self.true:
            if t["picture"] not in sizes:
                raise Problem(f"{self.name}: a box in picture {t['picture']}, which is not there")
            width, height = sizes[t["picture"]]
            x, y, w, h = t["box"]
            if t["unit"]:
                x, y, w, h = x * width, y * height, w * width, h * height
            x0, y0, x1, y1 = max(0, x), max(0, y), min(width, x + w), min(height, y + h)
            if x1 > x0 and y1 > y0:
                out.append({**t, "box": (x0, y0, x1 - x0, y1 - y0)})
        return out


def lines(path):
    try:
        with open(path, encoding="utf-8") as f:
            return [s.rstrip("\r\n") for s in f if s.strip()]
    except UnicodeDecodeError:
        raise Problem(f"{path}: not UTF-8") from None
    except OSError as e:
        raise Problem(f"{path}: {e.strerror}") from None


def numbers(texts, path, least=0):
    """At least so many numbers; path: where they stand."""
    try:
        v = [float(t) for t in texts]
    except ValueError:
        raise Problem(f"{path}: not all numbers: {' '.join(texts)}") from None
    if len(v) < least or not all(math.isfinite(x) for x in v):
        raise Problem(f"{path}: not {least} numbers: {' '.join(texts)}")
    return v


def coco(folder, first=None):
    """images/*.jpg and labels/*.txt: "class x y w h", centres, normalised."""
    return labelled("coco", folder, COCO, "COCO", first)


def labels(folder, first=None, names=None):
    """The same, the numbers being lines of the file names; or, of a picture without labels/*.txt,
    PASCAL VOC's XML in annots, annotations or Annotations."""
    if not names:
        raise Problem("the set labels wants --names")
    return labelled("labels", folder, [class_name(n) for n in lines(names)], names, first)


def labelled(name, folder, classes, whose, first):
    s = Set(name, classes)
    paths = sorted(glob.glob(os.path.join(folder, "images", "*.jpg")))[:first]
    s.pictures(paths)
    for i, path in enumerate(paths):
        label = os.path.join(folder, "labels", stem(path) + ".txt")
        for line in lines(label) if os.path.exists(label) else []:
            c, *place = numbers(line.split(), label, 5)
            if len(place) != 4:
                raise Problem(f"{label}: not a class and four numbers: {line}")
            x, y, w, h = place
            if not 0 <= c < len(classes):
                raise Problem(f"{label}: no class of {whose}: {line}")
            s.box(classes[int(c)], x - w / 2, y - h / 2, w, h, i)
        for d in [] if os.path.exists(label) else ("annots", "annotations", "Annotations"):
            voc = os.path.join(folder, d, stem(path) + ".xml")
            if os.path.exists(voc):
                voc_boxes(s, voc, i)
    return s


def voc_boxes(s, path, i):
    try:
        for o in xml.parse(path).getroot().iter("object"):
            x0, y0, x1, y1 = numbers([o.findtext("bndbox/" + k, "") for k in ("xmin", "ymin", "xmax", "ymax")], path, 4)
            s.box(class_name(o.findtext("name", "")), x0, y0, x1 - x0, y1 - y0, i, False)
    except xml.ParseError as e:
        raise Problem(f"{path}: {e}") from None


def mot(folder, _=None):
    """A clip and gt/gt.txt of MOTChallenge: people. What is flagged as not to be judged, and what
    its newer format calls a distractor, is left out of the count."""
    s = Set(os.path.basename(os.path.normpath(folder)), ["person"])
    clips = sorted(glob.glob(os.path.join(folder, "*.mp4")))
    if len(clips) != 1:
        raise Problem(f"{folder}: {len(clips)} clips, not one")
    if subprocess.run(["cb-ingest", "-q", clips[0]], stdout=s.stream, check=False).returncode:
        raise Problem(f"{clips[0]}: cb-ingest failed")
    path = os.path.join(folder, "gt", "gt.txt")
    for line in lines(path):
        v = numbers(line.split(","), path, 7)
        kind = int(v[7]) if len(v) > 8 and v[7] > 0 else 1
        if kind in (1, 2, 7, 8, 12):
            s.box("person", v[2] - 1, v[3] - 1, v[4], v[5], int(v[0]) - 1, False, not v[6] or kind != 1)
    return s


def faces(folder, first=None):
    """dlib's XML: every picture that training.xml and testing.xml name."""
    s = Set("faces", ["face"])
    paths, boxes = [], []
    for name in ("training.xml", "testing.xml"):
        path = os.path.join(folder, name)
        if not os.path.exists(path):
            continue
        try:
            images = list(xml.parse(path).getroot().iter("image"))
        except xml.ParseError as e:
            raise Problem(f"{path}: {e}") from None
        for image in images:
            if len(paths) == first:
                break
            boxes += [(len(paths), b.attrib, path) for b in image.iter("box")]
            paths.append(os.path.join(folder, image.get("file", "")))
    s.pictures(paths)
    for i, b, path in boxes:
        place = numbers([b.get(k, "") for k in ("left", "top", "width", "height")], path, 4)
        s.box("face", *place, i, False, b.get("ignore") == "1")
    return s


def plate_rows(folder):
    return [r.split(None, 5) for p in sorted(glob.glob(os.path.join(folder, "*.txt"))) for r in lines(p)]


def plates(folder, first=None):
    """*.txt with lines "file x y w h TEXT"."""
    s = Set("plates", ["plate"])
    rows = plate_rows(folder)
    names = sorted({r[0] for r in rows})[:first]
    rows = [r for r in rows if r[0] in names]
    s.pictures([os.path.join(folder, n) for n in names])
    for r in rows:
        s.box("plate", *numbers(r[1:5], folder, 4), names.index(r[0]), False)
    return s


SETS = {"coco": coco, "mot": mot, "faces": faces, "plates": plates, "labels": labels}
OURS = ["coco", "mot", "faces", "plates"]		# whose data are there
FOLDERS = {"coco": "coco", "mot": "mot/TUD-Campus", "faces": "faces", "plates": "plates/eu",
           "text": "plate-crops-us"}


def plate_texts(folder):
    """File name without its ending -> text: from a CSV "file,state,TEXT", else as plates()."""
    table = os.path.join(folder, "groundtruth.csv")
    if os.path.exists(table):
        rows = [(r.split(",")[0], r.split(",")[-1]) for r in lines(table)]
        have = {stem(p) for p in glob.glob(os.path.join(folder, "images", "*"))}
        return {stem(n): t for n, t in rows if stem(n) in have}
    return {stem(r[0]): r[5] for r in plate_rows(folder) if len(r) == 6}


def stem(path):
    return os.path.splitext(os.path.basename(path))[0]


def detect(s, model, options):
    """What cb-detect says of a set: the found boxes in pixels, the pictures' sizes, and cb.run."""
    s.stream.seek(0)
    done = subprocess.run(["cb-detect", "-q", "-m", model, *options], stdin=s.stream, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    if done.returncode:
        why = done.stderr.decode(errors="replace").strip().splitlines()
        raise Problem(why[-1] if why else f"cb-detect exited with {done.returncode}")
    seen, run = [], {}
    for line in done.stdout.splitlines():
        e = json.loads(line)
        if e["type"] == "cb.detection":
            seen.append(e["data"])
        elif e["type"] == "cb.run":
            run = e["data"]
    if s.names and len(seen) != len(s.names):
        raise Problem(f"{s.name}: {len(seen)} of {len(s.names)} pictures analysed")
    found, sizes = [], {}
    for i, d in enumerate(sorted(seen, key=lambda d: d["pts"])):
        sizes[i] = w, h = d["width"], d["height"]
        for o in d["objects"]:
            x, y, bw, bh = o["box"]
            found.append({"picture": i, "category": class_name(o["class"]), "score": o["score"],
                          "box": (x * w, y * h, bw * w, bh * h)})
    return found, sizes, run
