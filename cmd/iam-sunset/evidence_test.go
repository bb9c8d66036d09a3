package main

import (
	"context"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/iam-sunset/iam-sunset/internal/audit"
	"github.com/iam-sunset/iam-sunset/internal/clock"
	"github.com/iam-sunset/iam-sunset/internal/store"
	"github.com/iam-sunset/iam-sunset/internal/sunset"
)

// evidence DIR [KEY] writes what a cleanup of one user leaves: its chain, its case's chain and the manifest. With a KEY
// there is a checkpoint of the day after too, and both are sealed by the private key in that file, which is made where
// there is none; KEY.pub is the public one.
func evidence(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	tmp := dir + "-store"
	objects, err := store.OpenDir(tmp, store.NoSync())
	ts.Check(err)
	ctx, now := context.Background(), clock.NewVirtual(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	book := audit.NewBook(objects.Objects(), now)
	if len(args) > 1 {
		key, err := audit.OpenSealingKey(ts.MkAbs(args[1]))
		ts.Check(err)
		book.SealWith(key)
		der, err := key.PublicKey(ctx)
		ts.Check(err)
		public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		ts.Check(os.WriteFile(ts.MkAbs(args[1]+".pub"), public, 0o600))
	}
	cleanup, own := sunset.CleanupChain("spring"), sunset.ChainOf("spring-AIDA1")
	for _, r := range []audit.Record{
		{Chain: cleanup, Kind: "begun", CleanupID: "spring", Text: "The cleanup began."},
		{Chain: own, Kind: "claimed", CleanupID: "spring", CaseID: "spring-AIDA1", Text: "old-bot was claimed."},
		{Chain: own, Kind: "disabled", CleanupID: "spring", CaseID: "spring-AIDA1", Text: "old-bot was disabled."},
		{Chain: own, Kind: "closed", CleanupID: "spring", CaseID: "spring-AIDA1", Text: "The case ended.", Data: []byte(`{"outcome":"deleted"}`)},
		{Chain: cleanup, Kind: "closed", CleanupID: "spring", Text: "The cleanup ended."},
	} {
		_, err := book.Append(ctx, r)
		ts.Check(err)
	}
	ts.Check(book.WriteManifest(ctx, "spring", []string{own}, map[sunset.Outcome]int{sunset.Deleted: 1}, 1))
	if len(args) > 1 {
		_, err := book.Checkpoint(ctx, "2026-03-03")
		ts.Check(err)
	}
	ts.Check(copyPrivately(filepath.Join(tmp, "objects", "evidence"), dir))
}

// change FILE OLD NEW puts one text for another in a file.
func change(ts *testscript.TestScript, _ bool, args []string) {
	body := ts.ReadFile(args[0])
	if !strings.Contains(body, args[1]) {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Replace(body, args[1], args[2], 1)), 0o600))
}
