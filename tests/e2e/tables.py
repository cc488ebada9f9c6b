"""Seeded tables (taxi trips, the h2o table, key TAB value lines) and what queries on them must answer, in plain Python."""
import collections
import csv
import datetime
import io
import random

YELLOW = ("VendorID,tpep_pickup_datetime,tpep_dropoff_datetime,passenger_count,trip_distance,pickup_longitude,pickup_latitude,RatecodeID,"
          "store_and_fwd_flag,dropoff_longitude,dropoff_latitude,payment_type,fare_amount,extra,mta_tax,tip_amount,tolls_amount,"
          "improvement_surcharge,total_amount")
GREEN = YELLOW.replace("tpep_", "lpep_")
PLACES = {1: ((-74.0144185, -74.013777), (40.7138745, 40.7152275)), 2: ((-74.012083, -74.009867), (40.720053, 40.7217236))}
JUNK = ["", "abc", "1e", "--5", "NaN?", "2015-13", " ", "0x10", "1,5"]


def _quoted(rng, field):
    return '"' + field.replace('"', '""') + '"' if "," in field or '"' in field or rng.random() < 0.02 else field


def trips(seed, count, header=YELLOW, junk=0.01, ending="\n"):
    """Trips of 2015 as CSV; about `junk` of the fields that queries need are no numbers or dates."""
    rng = random.Random(seed)
    start = datetime.datetime(2015, 1, 1)
    lines = [header]
    for _ in range(count):
        pickup = start + datetime.timedelta(seconds=rng.randrange(200 * 86400))
        dropoff = pickup + datetime.timedelta(seconds=rng.randrange(60, 4000))
        (west, east), (south, north) = PLACES[rng.choice((1, 2))]
        if rng.random() < 0.5:  # near the place's border, on both sides of it; sometimes on it
            lon = rng.choice((west, east, f"{rng.uniform(west - 3e-4, east + 3e-4):.{rng.choice((4, 7, 15))}f}"))
            lat = rng.choice((south, north, f"{rng.uniform(south - 3e-4, north + 3e-4):.{rng.choice((4, 7, 15))}f}"))
        else:
            lon, lat = f"{rng.uniform(-74.1, -73.8):.6f}", f"{rng.uniform(40.6, 40.9):.6f}"
        row = [str(rng.randrange(1, 3)), str(pickup), str(dropoff), str(rng.randrange(1, 7)), f"{rng.uniform(0, 20):.2f}",
               f"{rng.uniform(-74.1, -73.8):.6f}", f"{rng.uniform(40.6, 40.9):.6f}", "1", rng.choice("NY"), str(lon), str(lat),
               str(rng.randrange(1, 5)), f"{rng.uniform(2.5, 60):.1f}", "0.5", "0.5", rng.choice(("0", "10", "10.0", f"{rng.uniform(0, 30):.2f}")),
               "0", "0.3", "12.3"]
        for i in (1, 2, 9, 10, 11, 15):
            if rng.random() < junk:
                row[i] = rng.choice(JUNK)
        lines.append(",".join(_quoted(rng, f) for f in row))
    return (ending.join(lines) + ending).encode()


def _number(text):
    """A decimal number as the documents say it; else ValueError."""
    if not text or text != text.strip() or "x" in text.lower() or "_" in text:
        raise ValueError(text)
    return float(text)


def _time(text):
    if len(text) != 19:
        raise ValueError(text)
    return datetime.datetime.strptime(text, "%Y-%m-%d %H:%M:%S")


def _rows(*texts):
    for text in texts:
        yield from csv.DictReader(io.StringIO(text.decode(), newline=""))


def taxi_oracle(query, yellow, green=(), weather=None):
    counts = collections.Counter()
    if query == "Q0":
        counts["lines"] = sum(t.count(b"\n") for t in yellow)
        return counts

    def each(texts, key):
        for row in _rows(*texts):
            try:
                k = key(row)
            except ValueError:
                continue
            if k is not None:
                counts[k] += 1

    def place(row, which):
        (west, east), (south, north) = PLACES[which]
        lon = _number(row["dropoff_longitude"])
        return west <= lon <= east and south <= _number(row["dropoff_latitude"]) <= north

    def month(row, field):
        return _time(row[field]).strftime("%Y-%m")

    if query in ("Q1", "Q2", "Q3"):
        which = 2 if query == "Q2" else 1
        each(yellow, lambda r: _time(r["tpep_dropoff_datetime"]).strftime("%H")
             if place(r, which) and (query != "Q3" or _number(r["tip_amount"]) > 10) else None)
    elif query == "Q4":
        def key(row):
            if not row["payment_type"].lstrip("-").isdigit():
                raise ValueError
            return f"{month(row, 'tpep_pickup_datetime')},{int(row['payment_type'])}"
        each(yellow, key)
    elif query == "Q5":
        each(yellow, lambda r: month(r, "tpep_pickup_datetime") + ",yellow")
        each(green, lambda r: month(r, "lpep_pickup_datetime") + ",green")
    else:
        table = dict(line.split("\t") for line in weather.decode().splitlines())
        each(yellow, lambda r: table.get(_time(r["tpep_pickup_datetime"]).strftime("%Y-%m-%d")))
    return counts


def weather(seed, days=150):
    """Some days of 2015 without an entry."""
    rng = random.Random(seed)
    start = datetime.date(2015, 1, 1)
    lines = [f"{start + datetime.timedelta(days=i)}\t{rng.choice(('0', '0.5', '1.25', 'trace', '12'))}" for i in range(days) if rng.random() < 0.9]
    return ("\n".join(lines) + "\n").encode()


def h2o(seed, rows, groups=20):
    rng = random.Random(seed)
    lines = ["id1,id2,id3,id4,id5,id6,v1,v2,v3"]
    for _ in range(rows):
        lines.append(f"id{rng.randrange(groups):03},id{rng.randrange(groups):03},id{rng.randrange(rows // 10 + 1):010},{rng.randrange(groups)},"
                     f"{rng.randrange(groups)},{rng.randrange(rows // 10 + 1)},{rng.randrange(1, 6)},{rng.randrange(1, 16)},{rng.uniform(0, 100):.6f}")
    return ("\n".join(lines) + "\n").encode()


def h2o_oracle(query, text):
    out = collections.defaultdict(lambda: [0, 0.0, 0])
    for row in _rows(text):
        key = {"q1": (row["id1"],), "q3": (row["id3"],), "q10": tuple(row[f"id{i}"] for i in range(1, 7))}[query]
        group = out[key]
        group[0] += int(row["v1"])
        group[1] += float(row["v3"])
        group[2] += 1
    return out


def pairs(seed, count, keys, prefix):
    rng = random.Random(seed)
    return [(f"k{int(keys * rng.random() ** 3)}", f"{prefix}{i}\t{rng.random()}" if i % 5 == 0 else f"{prefix}{i}") for i in range(count)]


def pair_lines(rows):
    return "".join(f"{k}\t{v}\n" for k, v in rows).encode()


def join_oracle(left, right, how):
    table = collections.defaultdict(lambda: ([], []))
    for k, v in left:
        table[k][0].append(v)
    for k, v in right:
        table[k][1].append(v)
    out = []
    for k, (a, b) in table.items():
        if not a and how in ("right", "full"):
            a = [""]
        if not b and how in ("left", "full"):
            b = [""]
        out += [f"{k}\t{x}\t{y}" for x in a for y in b]
    return sorted(out)
