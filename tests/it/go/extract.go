// Extracts a zip with Go's archive/zip and prints its names in the archive's order.
//
// Usage: extract ARCHIVE DIR
//
// Reading an entry to its end is what makes the package compare length and CRC.
package main

import (
	"archive/zip"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: extract ARCHIVE DIR")
	}
	archive, err := zip.OpenReader(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	defer archive.Close()
	for _, entry := range archive.File {
		if err := extract(entry, filepath.Join(os.Args[2], entry.Name)); err != nil {
			log.Fatalf("%s: %v", entry.Name, err)
		}
		fmt.Println(entry.Name)
	}
}

func extract(entry *zip.File, path string) error {
	if strings.HasSuffix(entry.Name, "/") {
		return os.MkdirAll(path, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	content, err := entry.Open()
	if err != nil {
		return err
	}
	defer content.Close()
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, content); err != nil {
		return err
	}
	return file.Close()
}
