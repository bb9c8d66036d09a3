package bundle

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// gzipHead is how every bundle begins: gzip without name, time or comment.
var gzipHead = []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}

// limits keep a file that somebody sends from filling memory.
type limits struct {
	files       int
	file, whole int64 // bytes, unpacked
}

// most is far above what an account of 5,000 users makes in a year.
func most() limits { return limits{files: 2_000_000, file: 256 << 20, whole: 4 << 30} }

// damage is what is wrong with a file that looks like a bundle.
type damage struct{ text string }

func (d damage) Error() string { return d.text }

func damaged(format string, args ...any) error { return damage{fmt.Sprintf(format, args...)} }

// header is how a file's tar header is written, the same for all: it says nothing of the machine.
func header(name string, size int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, Format: tar.FormatUSTAR}
}

// packed is a file of the container.
type packed struct {
	name string
	body []byte
}

// unpack reads a container. It takes nothing but what pack writes: a second gzip stream, a tar header of another form, or
// bytes behind the end would be a place to hide things in that one reader sees and another doesn't.
func unpack(r io.Reader, max limits) ([]packed, error) {
	in := bufio.NewReaderSize(r, 1<<16)
	if head, err := in.Peek(len(gzipHead)); err != nil || !bytes.Equal(head, gzipHead) {
		return nil, sunset.Faultf(sunset.Invalid, "it is no bundle of iam-sunset: it does not begin as these do")
	}
	unzipped, err := gzip.NewReader(in)
	if err != nil {
		return nil, sunset.Faultf(sunset.Invalid, "it is no bundle of iam-sunset: %w", err)
	}
	unzipped.Multistream(false)
	was := sha256.New()
	all := io.TeeReader(unzipped, was)
	again := newRepeat()
	files, err := untar(all, again, max)
	if err != nil {
		return nil, err
	}
	// To the end of gzip's stream, where its checksum is; a tar reader stops before.
	rest, err := io.Copy(io.Discard, io.LimitReader(all, 1<<20))
	switch {
	case err != nil:
		return nil, damaged("it can't be unpacked: %v", err)
	case rest == 1<<20:
		return nil, damaged("something follows the last file")
	}
	if _, err := in.ReadByte(); err != io.EOF {
		return nil, damaged("something follows the end of the archive")
	}
	if err := again.tar.Close(); err != nil {
		return nil, damaged("its files can't be packed again: %v", err)
	}
	if !bytes.Equal(again.sum.Sum(nil), was.Sum(nil)) {
		return nil, damaged("its archive is not written as iam-sunset writes it")
	}
	return files, nil
}

// repeat packs what was read once more, to see that the archive holds that and nothing else.
type repeat struct {
	sum hash.Hash
	tar *tar.Writer
}

func newRepeat() *repeat {
	sum := sha256.New()
	return &repeat{sum, tar.NewWriter(sum)}
}

func untar(all io.Reader, again *repeat, max limits) ([]packed, error) {
	var files []packed
	left := max.whole
	for archive := tar.NewReader(all); ; {
		h, err := archive.Next()
		switch {
		case err == io.EOF:
			return files, nil
		case err != nil && len(files) == 0:
			return nil, sunset.Faultf(sunset.Invalid, "it is no bundle of iam-sunset, or one that is broken from its beginning on: %w", err)
		case err != nil:
			return nil, damaged("it can't be unpacked behind %s: %v", files[len(files)-1].name, err)
		case h.Typeflag != tar.TypeReg || store.CheckKey(h.Name) != nil:
			return nil, damaged("it holds %.80q, which no bundle has", h.Name)
		case len(files) > 0 && inOrder(files[len(files)-1].name, h.Name) >= 0:
			return nil, damaged("it holds %s twice, or not in its place", h.Name)
		}
		left -= h.Size + 512
		if h.Size > max.file || left < 0 || len(files) == max.files {
			return nil, sunset.Faultf(sunset.Invalid, "it is too large to be read: %d files of %d MB each, and %d MB in all, are the most", max.files, max.file>>20, max.whole>>20)
		}
		if err := again.tar.WriteHeader(header(h.Name, h.Size)); err != nil {
			return nil, damaged("it holds %.80q, which no bundle has", h.Name)
		}
		// Not sized by the header: that may promise what doesn't come.
		body, err := io.ReadAll(archive)
		if err != nil {
			return nil, damaged("%s can't be unpacked: %v", h.Name, err)
		}
		if _, err := again.tar.Write(body); err != nil {
			return nil, damaged("%s can't be packed again: %v", h.Name, err)
		}
		files = append(files, packed{h.Name, body})
	}
}

// packer writes a container.
type packer struct {
	zip *gzip.Writer
	tar *tar.Writer
}

func newPacker(w io.Writer) *packer {
	zip := gzip.NewWriter(w)
	return &packer{zip, tar.NewWriter(zip)}
}

func (p *packer) add(name string, body []byte) error {
	err := p.tar.WriteHeader(header(name, int64(len(body))))
	if err == nil {
		_, err = p.tar.Write(body)
	}
	if err != nil {
		return fmt.Errorf("packing %s: %w", name, err)
	}
	return nil
}

func (p *packer) close() error {
	if err := errors.Join(p.tar.Close(), p.zip.Close()); err != nil {
		return fmt.Errorf("ending the bundle: %w", err)
	}
	return nil
}
