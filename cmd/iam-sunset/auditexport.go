package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/iam-sunset/iam-sunset/internal/bundle"
)

type exportOptions struct {
	operator
	dir, out string
}

func auditExportCommand(around surroundings) *cobra.Command {
	o := exportOptions{operator: operator{around: around}}
	cmd := &cobra.Command{
		Use:   "export CLEANUP",
		Short: "Pack what proves one cleanup into one file that can be checked without AWS",
		Long: `Packs all records of the cleanup and of its cases, its manifest, the newest checkpoint, what operators did, the plan, the
cases' files and the snapshots into one file: a tar.gz that any tool unpacks and that audit verify checks on any machine.
docs/bundle.md says what is in it byte by byte.

The file holds no secret, and much that is not for everybody: names of users, their policies and tags, who decided what.
It is readable by you alone, and is never written over another one. An open cleanup can be packed too; where its chains
end is then proven up to the newest checkpoint. Public keys come along for convenience: whoever checks takes the key from
where it was made, and keeps the bundle's SHA-256 apart from it. It only reads.`,
		Example: "  iam-sunset audit export spring-2026\n" +
			"  iam-sunset audit export spring-2026 --engine http://127.0.0.1:8083 --out spring" + bundle.Suffix + "\n" +
			"  iam-sunset audit export spring-2026 --dir /var/lib/iam-sunset\n" +
			"  iam-sunset audit verify spring-2026" + bundle.Suffix + " --key sealing.pem",
		Args: oneArgument("cleanup"),
		RunE: func(cmd *cobra.Command, args []string) error { return o.export(cmd.Context(), args[0]) },
	}
	o.addFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&o.dir, "dir", "", "directory to read instead of a deployment: a data directory, or a copy of the bucket")
	f.StringVar(&o.out, "out", "", "`FILE` to write (default CLEANUP"+bundle.Suffix+")")
	_ = cmd.MarkFlagDirname("dir") // the flag is there
	return cmd
}

func (o exportOptions) export(ctx context.Context, cleanup string) error {
	from, err := o.source(ctx)
	if err != nil {
		return err
	}
	out := o.out
	if out == "" {
		// A name with a slash could lead elsewhere; Write refuses it anyway.
		out = filepath.Base(cleanup) + bundle.Suffix
	}
	var packed bundle.Packed
	sum, err := writeNew(out, func(w io.Writer) error {
		packed, err = bundle.Write(ctx, w, from, cleanup, o.around.clock.Now(), buildVersion())
		return err
	})
	if errors.Is(err, fs.ErrExist) {
		return hinted{fmt.Errorf("%s is there already, and nothing is written over it", out), "name another file with --out"}
	}
	if err != nil {
		return err
	}
	index := packed.Index
	records, size := 0, int64(0)
	for _, c := range index.Chains {
		records += c.Count
	}
	for _, f := range index.Files {
		size += f.Size
	}
	fmt.Fprintf(o.around.stdout, "%s: %s in %s, %s, %d kB unpacked\n", printable(out), counted(records, "record"), counted(len(index.Chains), "chain"), counted(len(index.Files), "file"), (size+1023)/1024)
	fmt.Fprintf(o.around.stdout, "sha256: %s\n", sum)
	if n := len(packed.Missing); n > 0 {
		fmt.Fprintf(o.around.stdout, "missing: %s on record, the first of them %s: what was read does not hold it, and audit verify will say so\n", counted(n, "document"), printable(packed.Missing[0]))
	}
	fmt.Fprintf(o.around.stdout, "Nothing was checked: iam-sunset audit verify %s --key FILE does, with the key from where it was made.\n", printable(out))
	return nil
}

func (o exportOptions) source(ctx context.Context) (bundle.Source, error) {
	if o.dir == "" {
		w, err := o.station(ctx)
		if err != nil {
			return nil, err
		}
		return w.Objects, nil
	}
	if cmp.Or(o.deployment, o.engine) != "" {
		return nil, hinted{errors.New("--dir and a deployment are two different places"), "name the one that you mean"}
	}
	folder, err := bundle.OpenFolder(o.dir)
	if err != nil {
		return nil, hinted{err, "name a data directory, or a copy of the bucket: what holds the folder evidence, not that folder"}
	}
	return folder, nil
}

// writeNew has a file written whole or not at all, 0600, and gives its SHA-256. It is fs.ErrExist where path is taken.
func writeNew(path string, write func(io.Writer) error) (sum string, err error) {
	if _, err := os.Lstat(path); err == nil {
		return "", fs.ErrExist
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".bundle-*") // mode 0600
	if err != nil {
		return "", hinted{fmt.Errorf("writing %s: %w", path, err), "name a file in a directory that you may write to, with --out"}
	}
	defer func() { _ = os.Remove(f.Name()) }()
	hash := sha256.New()
	err = write(io.MultiWriter(f, hash))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", err
	}
	// Unlike a rename, a link takes nobody's place.
	if err := os.Link(f.Name(), path); err != nil {
		return "", fmt.Errorf("writing %s: %w", path, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
