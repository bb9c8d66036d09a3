"""Checks a bundle made by `iam-sunset audit export`: verify_bundle.py BUNDLE [PUBLIC_KEY.pem]; bundle.md says how, and what of."""
import base64, hashlib, json, subprocess, sys, tarfile, tempfile
CHAINS, SEALED = ("evidence/case/", "evidence/cleanup/", "evidence/account/"), ("evidence/checkpoint/", "evidence/manifest/")
bad, heads, sha = [], {}, lambda body: hashlib.sha256(body).hexdigest()
def check(ok, name, text): ok or bad.append(f"bad: {name}: {text}")
def openssl(*args, **kw): return subprocess.run(["openssl", *args], capture_output=True, **kw)
def check_seal(name, body, key):
    line, _, second = body.partition(b"\n")
    if not second: return check(not key and "sealed_by" not in json.loads(line), name, "its seal is missing")
    seal, by = json.loads(second), json.loads(line)["sealed_by"]
    check(list(seal.values())[:3] == [sha(line + b"\n"), "ECDSA_SHA_256", by], name, "it is not what was sealed")
    if key:
        check(by == sha(openssl("pkey", "-pubin", "-in", key, "-outform", "DER").stdout), name, "it names another key")
        with tempfile.NamedTemporaryFile() as f:
            f.write(base64.b64decode(seal["signature"], validate=True)), f.flush()
            check(openssl("dgst", "-sha256", "-verify", key, "-signature", f.name, input=line + b"\n").returncode == 0, name, "forged")
def check_chain(chain, bodies):  # bodies: (name, body) by number
    prev, documents = "", {}
    for n, (name, body) in enumerate(bodies, 1):
        r, before, prev = json.loads(body), prev, heads.setdefault((chain, n), sha(body))
        here = (f"evidence/{chain}/{n:06d}.json", chain, n, before)
        check((name, r["chain"], r["seq"], r["prev"]) == here, name, "it does not follow the record before it")
        key = {"plan": "plan", "claimed": "case_file", "snapshot": "snapshot"}.get(r["kind"])
        if key and key in r.get("data", {}): documents[r["data"][key]] = r["data"]["sha256"]
    return documents
def check_ends(name, ends, ours):  # a manifest or a checkpoint against the chains
    for end in (e for e in ends if ours(e["chain"]) and e["count"]):
        check(heads.get((end["chain"], end["count"])) == end["head"], name, f"{end['chain']} is not as it says")
def verify(bundle, key):
    with tarfile.open(bundle, "r:gz") as archive: files = [(m.name, archive.extractfile(m).read()) for m in archive]
    index, held, chains, documents = json.loads(files[-1][1]), dict(files[:-1]), {}, {}
    listed = [{"name": n, "size": len(b), "sha256": sha(b)} for n, b in held.items()]
    check([*held, "bundle.json"] == [n for n, _ in files] and index["files"] == listed, "bundle.json", "it lists other files")
    for name, body in held.items():
        if name.startswith(CHAINS): chains.setdefault(name[9:].rpartition("/")[0], []).append((name, body))
    for chain, bodies in chains.items(): documents |= check_chain(chain, bodies)
    ends = [{"chain": c, "count": len(b), "head": heads[c, len(b)]} for c, b in chains.items()]
    check(index["chains"] == ends and index["format"] == 1, "bundle.json", "chains end elsewhere, or it is of another format")
    others = {n: sha(b) for n, b in held.items() if not n.startswith((*CHAINS, *SEALED, "evidence/key/"))}
    check(others == documents, "documents", "they are not those on record")
    cleanup, path = "cleanup/" + index["cleanup"], f"manifest/{index['cleanup']}.json"
    ours = lambda chain: chain in (cleanup, "account/operations") or chain.rpartition("-")[0] == "case/" + index["cleanup"]
    check(all(map(ours, chains)) and cleanup in chains, "chains", "some are of another cleanup, or its own is missing")
    manifest, own = held.get("evidence/" + path), {r["kind"]: r for r in (json.loads(b) for _, b in chains.get(cleanup, []))}
    check(manifest or not own.keys() & {"closed", "manifest"}, path, "the cleanup has ended without it")
    if manifest:
        m = json.loads(manifest.partition(b"\n")[0])
        check(m["cleanup_id"] == index["cleanup"] and sum(m["outcomes"].values()) == m["discovered"], path, "its outcomes do not add up")
        check({e["chain"] for e in m["chains"]} == chains.keys() - {"account/operations"}, path, "it lists other chains")
        check(sha(manifest) == own["manifest"]["data"]["sha256"], path, "it is not the one on record")
    for name in (sealed := [n for n in held if n.startswith(SEALED)]):
        check_seal(name, held[name], key)
        says = json.loads(held[name].partition(b"\n")[0])
        check_ends(name, says["chains"], ours)
        check(says.get("manifests", {}).get(path) in (None, sha(manifest or b"")), path, f"{name} names another")
    check(sealed or not key, bundle, "nothing in it is sealed")
    return f"ok: {cleanup}, {len(held)} files, {len(chains)} chains, {len(sealed) if key else 'no'} seals checked"
try: said = verify(sys.argv[1], (sys.argv + [None])[2])
except Exception as e: bad.append(f"bad: it can't be read: {e!r}")
sys.exit("\n".join(bad) or print(said))
