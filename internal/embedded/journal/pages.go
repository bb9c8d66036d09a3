package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"go.etcd.io/bbolt"
)

// pages are those of a bbolt file, looked at before bbolt trusts them: it follows what stands in them wherever that leads,
// partly in a goroutine of its own, where nobody could recover. The format is that of
// https://github.com/etcd-io/bbolt/tree/main/internal/common: a page begins with its number (8 bytes), kind (2), count of
// elements (2) and number of pages that continue it (4), and an element of it is 16 bytes that say where its key lies.
type pages struct {
	file io.ReaderAt
	size uint64 // of a page
	high uint64 // no page has this number or a higher one
	seen map[uint64]bool
}

const (
	branchPage = 1
	leafPage   = 2
	element    = 16
)

// checkPages refuses a tree with a page that bbolt could stumble over.
func checkPages(tx *bbolt.Tx, file io.ReaderAt) error {
	size := uint64(tx.DB().Info().PageSize)
	p := &pages{file: file, size: size, high: uint64(tx.Size()) / size, seen: map[uint64]bool{}}
	return p.tree(uint64(tx.Cursor().Bucket().Root()))
}

func (p *pages) tree(id uint64) error {
	if id < 2 || id >= p.high {
		return fmt.Errorf("it is damaged: there is no page %d", id)
	}
	page := make([]byte, p.size)
	if _, err := p.file.ReadAt(page, int64(id*p.size)); err != nil {
		return err
	}
	more := uint64(binary.NativeEndian.Uint32(page[12:]))
	if binary.NativeEndian.Uint64(page) != id || id+more >= p.high {
		return fmt.Errorf("it is damaged: page %d is another", id)
	}
	for n := id; n <= id+more; n++ {
		if p.seen[n] {
			return fmt.Errorf("it is damaged: page %d is there twice", n)
		}
		p.seen[n] = true
	}
	if more > 0 {
		page = make([]byte, (more+1)*p.size)
		if _, err := p.file.ReadAt(page, int64(id*p.size)); err != nil {
			return err
		}
	}
	if err := p.elements(page); err != nil {
		return fmt.Errorf("it is damaged at page %d: %w", id, err)
	}
	return nil
}

// elements follows each element of a page.
func (p *pages) elements(page []byte) error {
	kind, count := binary.NativeEndian.Uint16(page[8:]), int(binary.NativeEndian.Uint16(page[10:]))
	switch {
	case kind != leafPage && kind != branchPage:
		return errors.New("it is no page of the tree")
	case kind == branchPage && count == 0, (1+count)*element > len(page):
		return errors.New("its count is wrong")
	}
	for i := range count {
		at := (1 + i) * element
		e := page[at : at+element]
		word := func(n int) uint64 { return uint64(binary.NativeEndian.Uint32(e[n*4:])) }
		flags, position, key, value := word(0), word(1), word(2), word(3)
		if kind == branchPage {
			position, key, value = word(0), word(1), 0
		}
		start := uint64(at) + position
		if position < element || start+key+value > uint64(len(page)) {
			return errors.New("it names what lies outside of it")
		}
		var err error
		switch {
		case kind == branchPage:
			err = p.tree(binary.NativeEndian.Uint64(e[8:]))
		case flags == 1:
			err = p.bucket(page[start+key : start+key+value])
		case flags != 0:
			err = errors.New("an element is of no kind")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bucket follows one to its tree, or looks at the page that a small one has instead.
func (p *pages) bucket(value []byte) error {
	if len(value) < 16 {
		return errors.New("a bucket is cut short")
	}
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		return p.tree(root)
	}
	inline := value[16:]
	if len(inline) < element || binary.NativeEndian.Uint16(inline[8:]) != leafPage {
		return errors.New("a bucket is cut short")
	}
	return p.elements(inline)
}
