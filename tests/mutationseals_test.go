package tests

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/iam-sunset/iam-sunset/internal/bundle"
)

// eachSeal changes what is sealed, field by field, and the seals.
func (f *forger) eachSeal() []tampering {
	var all []tampering
	for _, path := range names(f.files) {
		if !strings.HasPrefix(path, "evidence/manifest/") && !strings.HasPrefix(path, "evidence/checkpoint/") {
			continue
		}
		first, seal, _ := bytes.Cut(f.files[path], []byte("\n"))
		var was map[string]any
		f.must(json.Unmarshal(first, &was))
		put := func(kind, of string, body func() map[string][]byte) {
			all = append(all, tampering{kind: "seal: " + kind, of: path + " " + of, bytes: func() []byte { return f.pack(body()) }})
		}
		for field := range was {
			for _, sealer := range []string{"was", "none", "thief"} {
				put("a field changed", field+" "+sealer, func() map[string][]byte {
					changed := maps.Clone(was)
					changed[field] = otherwise(was[field])
					files := in(f.files, path, f.sealed(changed, seal, sealer))
					if sealer == "thief" {
						files["evidence/key/"+f.thiefKey.Fingerprint()+".pem"] = f.thiefKey.PEM()
					}
					return files
				})
			}
		}
		put("taken away", "", func() map[string][]byte { return in(f.files, path, append(bytes.Clone(first), '\n')) })
		for _, sealer := range []string{"none", "thief"} {
			put("another's", sealer, func() map[string][]byte { return in(f.files, path, f.sealed(maps.Clone(was), seal, sealer)) })
		}
		var parts map[string]string
		f.must(json.Unmarshal(seal, &parts))
		for field, value := range parts {
			put("its own field changed", field, func() map[string][]byte {
				changed := bytes.Replace(seal, []byte(value), flipped([]byte(value), len(value)/2), 1)
				return in(f.files, path, slices.Concat(first, []byte("\n"), changed))
			})
		}
	}
	return all
}

// otherwise is a value that says something else in the same form.
func otherwise(v any) any {
	switch v := v.(type) {
	case string:
		return string(flipped([]byte(v), len(v)-1))
	case float64:
		return v + 1
	case []any:
		return v[:len(v)-1]
	case map[string]any:
		changed := maps.Clone(v)
		for name := range changed {
			delete(changed, name)
			break
		}
		return changed
	}
	return nil
}

// theIndex changes what the index says, but for when and by what it was made, which nothing proves.
func (f *forger) theIndex() []tampering {
	var all []tampering
	put := func(of string, change func(*bundle.Index)) {
		all = append(all, tampering{kind: "index: a field changed", of: of, bytes: func() []byte {
			index := f.indexOf(f.files)
			change(&index)
			return f.archive(f.inOrder(f.files, f.line(index)))
		}})
	}
	put("format", func(i *bundle.Index) { i.Format = 2 })
	put("cleanup", func(i *bundle.Index) { i.Cleanup = "summer" })
	put("account", func(i *bundle.Index) { i.Account = "999999999999" })
	for n := range f.indexOf(f.files).Chains {
		put(fmt.Sprintf("chain %d's count", n), func(i *bundle.Index) { i.Chains[n].Count-- })
		put(fmt.Sprintf("chain %d's head", n), func(i *bundle.Index) { i.Chains[n].Head = strings.Repeat("0", 64) })
		put(fmt.Sprintf("chain %d", n), func(i *bundle.Index) { i.Chains = slices.Delete(i.Chains, n, n+1) })
	}
	for n := range f.indexOf(f.files).Files {
		if n%8 != 0 {
			continue // the index is one file: not each of its lines in each way
		}
		put(fmt.Sprintf("file %d's size", n), func(i *bundle.Index) { i.Files[n].Size++ })
		put(fmt.Sprintf("file %d's digest", n), func(i *bundle.Index) { i.Files[n].SHA256 = strings.Repeat("0", 64) })
		put(fmt.Sprintf("file %d's name", n), func(i *bundle.Index) { i.Files[n].Name += "x" })
		put(fmt.Sprintf("file %d twice", n), func(i *bundle.Index) { i.Files = slices.Insert(i.Files, n, i.Files[n]) })
		put(fmt.Sprintf("file %d left out", n), func(i *bundle.Index) { i.Files = slices.Delete(i.Files, n, n+1) })
	}
	put("order", func(i *bundle.Index) { i.Files[0], i.Files[1] = i.Files[1], i.Files[0] })
	return all
}

// theArchive changes what the files lie in.
func (f *forger) theArchive(whole []byte) []tampering {
	var all []tampering
	put := func(kind, of string, b func() []byte) { all = append(all, tampering{kind: kind, of: of, bytes: b}) }
	for n := range 60 {
		put("archive: cut short", fmt.Sprint(n), func() []byte { return whole[:len(whole)*n/60] })
	}
	put("archive: cut short", "by one byte", func() []byte { return whole[:len(whole)-1] })
	files := f.inOrder(f.files, f.careless)
	last := len(files) - 1
	put("archive: other files", "no index", func() []byte { return f.archive(files[:last]) })
	put("archive: other files", "two indexes", func() []byte { return f.archive(append(slices.Clone(files), files[last])) })
	put("archive: other files", "the index first", func() []byte { return f.archive(append([]file{files[last]}, files[:last]...)) })
	for _, name := range []string{"../stranger", "/etc/stranger", "evidence/../stranger", "evidence//x", "./bundle.json", "C:\\stranger"} {
		put("archive: other files", name, func() []byte { return f.archive(slices.Insert(slices.Clone(files), last, file{name, []byte("{}\n")})) })
	}
	for n := 0; n < last-1; n += 8 {
		put(notInContent, fmt.Sprintf("file %d not in its place", n), func() []byte {
			return f.archive(slices.Replace(slices.Clone(files), n, n+2, files[n+1], files[n]))
		})
	}
	put(notInContent, "bytes behind it", func() []byte { return append(bytes.Clone(whole), 0) })
	put(notInContent, "a second archive behind it", func() []byte { return append(bytes.Clone(whole), whole...) })
	put(notInContent, "a name in gzip's header", func() []byte { return f.rezipped(whole, func(h *gzip.Header) { h.Name = "x" }) })
	put(notInContent, "a comment in gzip's header", func() []byte { return f.rezipped(whole, func(h *gzip.Header) { h.Comment = "x" }) })
	put(notInContent, "bytes behind tar's end", func() []byte {
		return f.zipped(append(f.unzipped(whole), make([]byte, 512)...), nil)
	})
	put(notInContent, "another mode", func() []byte {
		return f.tarred(files, func(h *tar.Header) { h.Mode = 0o644 })
	})
	put(notInContent, "an owner", func() []byte { return f.tarred(files, func(h *tar.Header) { h.Uname = "root" }) })
	put(notInContent, "headers of another form", func() []byte { return f.tarred(files, func(h *tar.Header) { h.Format = tar.FormatGNU }) })
	return all
}

func (f *forger) unzipped(whole []byte) []byte {
	zip, err := gzip.NewReader(bytes.NewReader(whole))
	f.must(err)
	var b bytes.Buffer
	_, err = b.ReadFrom(zip)
	f.must(err)
	return b.Bytes()
}

func (f *forger) zipped(body []byte, edit func(*gzip.Header)) []byte {
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	if edit != nil {
		edit(&zip.Header)
	}
	_, err := zip.Write(body)
	f.must(err)
	f.must(zip.Close())
	return b.Bytes()
}

func (f *forger) rezipped(whole []byte, edit func(*gzip.Header)) []byte {
	return f.zipped(f.unzipped(whole), edit)
}

func (f *forger) tarred(files []file, edit func(*tar.Header)) []byte {
	var b bytes.Buffer
	archive := tar.NewWriter(&b)
	for i, one := range files {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: one.name, Size: int64(len(one.body)), Mode: 0o600, Format: tar.FormatUSTAR}
		if i == 0 {
			edit(h)
		}
		f.must(archive.WriteHeader(h))
		_, err := archive.Write(one.body)
		f.must(err)
	}
	f.must(archive.Close())
	return f.zipped(b.Bytes(), nil)
}
