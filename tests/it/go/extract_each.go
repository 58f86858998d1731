// Extracts what it can of zips with Go's archive/zip, one after the other.
//
// Usage: extract_each [ARCHIVE DIR]...
package main

import (
	"archive/zip"
	"io"
	"log"
	"os"
	"path/filepath"
)

func main() {
	log.SetFlags(0)
	for arguments := os.Args[1:]; len(arguments) > 1; arguments = arguments[2:] {
		if err := extractAll(arguments[0], arguments[1]); err != nil {
			log.Printf("%s: %v", arguments[0], err)
		}
	}
}

func extractAll(name, target string) error {
	archive, err := zip.OpenReader(name)
	if err != nil {
		return err
	}
	defer archive.Close()
	for _, entry := range archive.File {
		if err := extract(entry, filepath.Join(target, entry.Name)); err != nil {
			log.Printf("%s: %s: %v", name, entry.Name, err)
		}
	}
	return nil
}

func extract(entry *zip.File, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	content, err := entry.Open()
	if err != nil {
		return err
	}
	defer content.Close()
	bytes, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	return os.WriteFile(path, bytes, 0o644)
}
