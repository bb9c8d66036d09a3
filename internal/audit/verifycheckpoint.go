package audit

// checkCheckpoints checks that each checkpoint names the one before it, and that the chains still are as each says.
func (v *verifier) checkCheckpoints() {
	ends, bad, told := v.counted, map[string]bool{}, map[string]bool{}
	for i, c := range v.checkpoints {
		if !c.ok {
			continue
		}
		if v.only == "" {
			v.checkPrevious(i)
		}
		v.checkManifests(c, told)
		v.until = c.body.Day
		for _, p := range c.body.Problems {
			if at, _ := placeOf(p.File); !v.about(at) {
				continue
			}
			v.noted = append(v.noted, Problem{File: c.file, Text: "on that day " + p.File + " was bad: " + p.Text})
		}
		listed := map[string]bool{}
		for _, end := range c.body.Chains {
			was := ends[end.Chain]
			switch {
			case !validChain(end.Chain) || listed[end.Chain]:
				v.bad(c.file, 0, "it lists %q, which is no chain or is listed twice", end.Chain)
				continue
			case end.Count < was.Count:
				v.bad(c.file, 0, "it counts %d records of %s, but an earlier checkpoint %d", end.Count, end.Chain, was.Count)
			case end.Count < 0 || end.Count == 0 && !end.Broken:
				v.bad(c.file, 0, "it counts %d records of %s", end.Count, end.Chain)
			}
			listed[end.Chain] = true
			if !v.about(place{chain: end.Chain}) {
				continue
			}
			// Most chains have not moved since the checkpoint before, and a broken one is told once.
			if end.Count > 0 && end.chainEnd != was && !bad[end.Chain] {
				before := len(v.problems)
				v.checkEnd(v.chains[end.Chain], end.chainEnd, "the checkpoint of "+c.body.Day)
				bad[end.Chain] = len(v.problems) > before
			}
			if end.Count > 0 {
				ends[end.Chain] = end.chainEnd
			}
		}
		for chain := range ends {
			if !listed[chain] {
				v.bad(c.file, 0, "it leaves out %s, which an earlier checkpoint lists", chain)
			}
		}
	}
}

// checkPrevious checks the link from checkpoint number i to the one before it.
func (v *verifier) checkPrevious(i int) {
	c := v.checkpoints[i]
	if i > 0 && c.body.Previous != v.checkpoints[i-1].file {
		v.bad(v.checkpoints[i-1].file, 0, "the checkpoint after it, of %s, does not name it", c.body.Day)
	}
	if c.body.Previous == "" {
		return
	}
	for _, p := range v.checkpoints[:i] {
		if p.file != c.body.Previous {
			continue
		}
		if p.hash != c.body.PreviousSHA256 {
			v.bad(p.file, 0, "its SHA-256 is %s, but the checkpoint of %s names %q: one of the two was changed", p.hash, c.body.Day, c.body.PreviousSHA256)
		}
		return
	}
	v.bad(c.body.Previous, 0, "the checkpoint is missing: the one of %s names it", c.body.Day)
}

// checkManifests checks that the manifests still are as a checkpoint says, but for those in told.
func (v *verifier) checkManifests(c *sealedFile[checkpoint], told map[string]bool) {
	for file, hash := range c.body.Manifests {
		at, _ := placeOf(file)
		m := v.manifests[at.manifest]
		if m != nil && m.hash == hash || told[file] || !v.about(at) {
			continue
		}
		told[file] = true
		if m == nil {
			v.bad(file, 0, "the manifest is missing: the checkpoint of %s names it", c.body.Day)
		} else {
			v.bad(file, 0, "its SHA-256 is %s, but the checkpoint of %s names %s", m.hash, c.body.Day, hash)
		}
	}
}
