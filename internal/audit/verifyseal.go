package audit

import "bytes"

// sealedFile is a manifest or a checkpoint as it was read.
type sealedFile[T manifest | checkpoint] struct {
	file string
	hash string // of all of it
	ok   bool   // body could be read
	body T
	line []byte // what the seal signs
	seal *seal  // none where it has none
}

func readSealed[T manifest | checkpoint](v *verifier, what, file string, body []byte) *sealedFile[T] {
	f := &sealedFile[T]{file: file, hash: hashOf(body)}
	var err error
	if f.line, f.seal, err = decodeSealed(body, &f.body); err != nil {
		v.bad(file, 0, "the %s can't be read: %v", what, err)
		return f
	}
	f.ok = true
	return f
}

// addKey takes a key that the evidence brings, where no other is trusted.
func (v *verifier) addKey(fingerprint, file string, text []byte) {
	key, err := ParsePublicKey(text)
	switch {
	case err != nil:
		v.bad(file, 0, "the key can't be read: %v", err)
	case key.fingerprint != fingerprint || !bytes.Equal(key.PEM(), text):
		v.bad(file, 0, "it is not the key that its name says: this one's fingerprint is %s", key.fingerprint)
	case !v.strict:
		v.keys[fingerprint] = key
	}
}

// checkSeals checks every manifest's and every checkpoint's seal. What was changed since it was sealed is not held
// against the chains.
func (v *verifier) checkSeals() {
	for _, m := range v.manifests {
		if m.ok {
			m.ok = v.checkSeal(m.file, m.line, m.seal, m.body.SealedBy)
		}
	}
	for _, c := range v.checkpoints {
		if c.ok {
			c.ok = v.checkSeal(c.file, c.line, c.seal, c.body.SealedBy)
		}
	}
	if v.strict && len(v.seals) == 0 {
		v.bad(".", 0, "nothing in it is sealed by a key that was named: there is no manifest and no checkpoint that proves anything")
	}
}

// checkSeal reports whether line is as it was sealed, as far as that can be known.
func (v *verifier) checkSeal(file string, line []byte, s *seal, by string) bool {
	if s == nil {
		switch {
		case by != "":
			v.bad(file, 0, "its seal is missing: it was sealed by key %s", by)
		case v.strict:
			v.bad(file, 0, "it is not sealed")
		default:
			v.unsealed = append(v.unsealed, file)
		}
		return by == ""
	}
	key, known := v.keys[s.Key]
	switch {
	case !known && v.strict:
		v.bad(file, 0, "it is sealed by key %s, which was not named", s.Key)
		return true
	case !known:
		v.bad(file, 0, "it is sealed by key %s, but %s is missing or is not that key", s.Key, keyFile(s.Key))
		return true
	}
	if why := s.wrong(line, by, key); why != "" {
		v.bad(file, 0, "%s", why)
		return false
	}
	v.seals = append(v.seals, file)
	v.sealers = append(v.sealers, s.Key)
	return true
}
