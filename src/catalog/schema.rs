//! The tables, as diesel sees them; `migrations/` creates them.

diesel::table! {
    users (id) {
        id -> BigInt,
        uuid -> Binary,
        username -> Text,
        name -> Text,
        email -> Nullable<Text>,
        admin -> Bool,
        created_at -> BigInt,
        upstream -> Nullable<Text>,
    }
}

diesel::table! {
    access_tokens (id) {
        id -> BigInt,
        user_id -> BigInt,
        name -> Text,
        sha256 -> Binary,
        scopes -> Text,
        expires_at -> Nullable<BigInt>,
        revoked -> Bool,
        created_at -> BigInt,
    }
}

diesel::table! {
    projects (id) {
        id -> BigInt,
        uuid -> Binary,
        path -> Text,
        path_lower -> Text,
        name -> Text,
        visibility -> Text,
        public_jobs -> Bool,
        default_branch -> Nullable<Text>,
        keep_latest_artifact -> Bool,
        max_artifact_bytes -> Nullable<BigInt>,
        purge_requested_at -> Nullable<BigInt>,
        created_at -> BigInt,
        organization_slug -> Nullable<Text>,
        pipeline_slug -> Nullable<Text>,
        steps -> Nullable<Text>,
        max_storage_bytes -> Nullable<BigInt>,
        upstream -> Nullable<Text>,
        gone_at -> Nullable<BigInt>,
        seen_at -> Nullable<BigInt>,
        seen_by -> Nullable<Binary>,
        check_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    project_members (project_id, user_id) {
        project_id -> BigInt,
        user_id -> BigInt,
        role -> Text,
    }
}

diesel::table! {
    job_token_allowlist (project_id, path) {
        project_id -> BigInt,
        path -> Text,
    }
}

diesel::table! {
    commits (project_id, sha) {
        project_id -> BigInt,
        sha -> Text,
        title -> Text,
        message -> Text,
        author_name -> Text,
        author_email -> Text,
        created_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    pipelines (id) {
        id -> BigInt,
        uuid -> Binary,
        project_id -> BigInt,
        iid -> BigInt,
        #[sql_name = "ref"]
        ref_name -> Text,
        tag -> Bool,
        sha -> Text,
        status -> Text,
        source -> Text,
        parent_id -> Nullable<BigInt>,
        root_id -> BigInt,
        depth -> Integer,
        user_id -> Nullable<BigInt>,
        created_at -> BigInt,
        updated_at -> BigInt,
        started_at -> Nullable<BigInt>,
        finished_at -> Nullable<BigInt>,
        message -> Nullable<Text>,
        env -> Nullable<Text>,
        author -> Nullable<Text>,
        pull_request -> Nullable<Text>,
        cancel_reason -> Nullable<Text>,
        rebuilt_from -> Nullable<BigInt>,
        cancel_at -> Nullable<BigInt>,
        told_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    meta_data (pipeline_id, key) {
        pipeline_id -> BigInt,
        key -> Text,
        value -> Text,
        value_start -> Text,
    }
}

diesel::table! {
    jobs (id) {
        id -> BigInt,
        uuid -> Binary,
        project_id -> BigInt,
        pipeline_id -> BigInt,
        name -> Text,
        stage -> Text,
        status -> Text,
        allow_failure -> Bool,
        retried -> Bool,
        user_id -> Nullable<BigInt>,
        token_sha256 -> Nullable<Binary>,
        coverage -> Nullable<Double>,
        failure_reason -> Nullable<Text>,
        created_at -> BigInt,
        started_at -> Nullable<BigInt>,
        finished_at -> Nullable<BigInt>,
        erased_at -> Nullable<BigInt>,
        command -> Nullable<Text>,
        exit_status -> Nullable<BigInt>,
        step_key -> Nullable<Text>,
        soft_failed -> Nullable<Bool>,
        parallel_group_index -> Nullable<BigInt>,
        parallel_group_total -> Nullable<BigInt>,
        agent -> Nullable<Text>,
        told_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    artifacts (id) {
        id -> BigInt,
        uuid -> Binary,
        project_id -> BigInt,
        job_id -> BigInt,
        name -> Text,
        kind -> Text,
        format -> Text,
        filename -> Text,
        accessibility -> Text,
        state -> Text,
        size_bytes -> BigInt,
        sha256 -> Binary,
        store_key -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
        expire_at -> Nullable<BigInt>,
        remove_after -> Nullable<BigInt>,
        tail_bytes -> Nullable<BigInt>,
        media_type -> Nullable<Text>,
        forget_after -> Nullable<BigInt>,
        sha1 -> Nullable<Binary>,
        crc32 -> Nullable<BigInt>,
        shown_name -> Nullable<Text>,
        bytes_kept_until -> Nullable<BigInt>,
        origin -> Nullable<Text>,
        used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    entry_digests (uuid) {
        uuid -> Binary,
        artifact_id -> BigInt,
        sha1 -> Binary,
        sha256 -> Binary,
    }
}

diesel::table! {
    uploads (id) {
        id -> BigInt,
        uuid -> Binary,
        project_id -> BigInt,
        pipeline_id -> BigInt,
        job_id -> BigInt,
        name -> Text,
        kind -> Text,
        format -> Text,
        media_type -> Nullable<Text>,
        filename -> Text,
        accessibility -> Text,
        expire_at -> Nullable<BigInt>,
        state -> Text,
        received -> BigInt,
        pieces -> BigInt,
        list_sha256 -> Nullable<Binary>,
        size_bytes -> Nullable<BigInt>,
        sha256 -> Nullable<Binary>,
        sha1 -> Nullable<Binary>,
        crc32 -> Nullable<BigInt>,
        tail_bytes -> Nullable<BigInt>,
        store_key -> Nullable<Text>,
        created_at -> BigInt,
        batch -> Nullable<Text>,
        batch_index -> Nullable<BigInt>,
        parts -> Nullable<BigInt>,
        declared_bytes -> Nullable<BigInt>,
        declared_sha1 -> Nullable<Binary>,
        declared_sha256 -> Nullable<Binary>,
        ordered_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    upload_pieces (upload_id, name) {
        upload_id -> BigInt,
        name -> Text,
        store_key -> Text,
        size_bytes -> BigInt,
        sha256 -> Binary,
    }
}

diesel::table! {
    agents (uuid) {
        uuid -> Binary,
        token_id -> BigInt,
        session_sha256 -> Binary,
        name -> Text,
        hostname -> Nullable<Text>,
        version -> Nullable<Text>,
        tags -> Text,
        queue -> Text,
        takes_jobs -> Bool,
        action -> Nullable<Text>,
        created_at -> BigInt,
        seen_at -> BigInt,
    }
}

diesel::table! {
    agent_jobs (job_id) {
        job_id -> BigInt,
        query_rules -> Text,
        artifact_paths -> Nullable<Text>,
        waiting_queue -> Nullable<Text>,
        holder -> Nullable<Binary>,
        assigned_at -> Nullable<BigInt>,
        agent_uuid -> Nullable<Binary>,
        signal -> Nullable<Text>,
        signal_reason -> Nullable<Text>,
        log_bytes -> BigInt,
    }
}

diesel::table! {
    log_chunks (job_id, starts_at) {
        job_id -> BigInt,
        starts_at -> BigInt,
        size_bytes -> BigInt,
        data -> Binary,
    }
}

diesel::table! {
    signing_keys (id) {
        id -> BigInt,
        secret -> Binary,
        created_at -> BigInt,
    }
}

diesel::table! {
    doomed_blobs (store_key) {
        store_key -> Text,
        doomed_at -> BigInt,
    }
}

diesel::table! {
    writers (number) {
        number -> BigInt,
        purpose -> Text,
        seen_at -> BigInt,
    }
}

diesel::table! {
    instance (one) {
        one -> Integer,
        id -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    purges (project_id) {
        project_id -> BigInt,
        requested_at -> BigInt,
        through_id -> BigInt,
    }
}

diesel::table! {
    group_quotas (path_lower) {
        path_lower -> Text,
        path -> Text,
        max_storage_bytes -> BigInt,
    }
}

diesel::table! {
    leftover_blobs (store_key) {
        store_key -> Text,
        size_bytes -> BigInt,
        remove_after -> BigInt,
        bytes_kept_until -> BigInt,
    }
}

diesel::table! {
    former_paths (path_lower) {
        path_lower -> Text,
        project_id -> BigInt,
    }
}

diesel::table! {
    used_numbers (name) {
        name -> Text,
        number -> BigInt,
    }
}

diesel::table! {
    foreign_numbers (upstream, kind, foreign_id) {
        upstream -> Text,
        kind -> Text,
        foreign_id -> Text,
        number -> BigInt,
    }
}

diesel::table! {
    feed_events (sha256) {
        sha256 -> Binary,
        upstream -> Text,
        project_id -> BigInt,
        pipeline_id -> Nullable<BigInt>,
        hint -> Bool,
        received_at -> BigInt,
        attempts -> BigInt,
        next_attempt_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    sessions (id) {
        id -> BigInt,
        sha256 -> Binary,
        token_id -> Nullable<BigInt>,
        upstream -> Nullable<Text>,
        foreign_user_id -> Nullable<BigInt>,
        username -> Nullable<Text>,
        sealed -> Nullable<Binary>,
        renew_at -> Nullable<BigInt>,
        created_at -> BigInt,
        seen_at -> BigInt,
        ends_at -> BigInt,
    }
}

diesel::joinable!(access_tokens -> users (user_id));
diesel::joinable!(pipelines -> projects (project_id));
diesel::joinable!(project_members -> users (user_id));
diesel::joinable!(jobs -> pipelines (pipeline_id));
diesel::joinable!(jobs -> projects (project_id));
diesel::joinable!(jobs -> users (user_id));
diesel::joinable!(artifacts -> jobs (job_id));
diesel::joinable!(uploads -> jobs (job_id));
diesel::joinable!(upload_pieces -> uploads (upload_id));
diesel::joinable!(pipelines -> users (user_id));
diesel::joinable!(meta_data -> pipelines (pipeline_id));
diesel::joinable!(entry_digests -> artifacts (artifact_id));
diesel::joinable!(agents -> access_tokens (token_id));
diesel::joinable!(agent_jobs -> jobs (job_id));
diesel::joinable!(log_chunks -> jobs (job_id));
diesel::allow_tables_to_appear_in_same_query!(
    users,
    access_tokens,
    projects,
    project_members,
    commits,
    pipelines,
    jobs,
    artifacts,
    uploads,
    upload_pieces,
    meta_data,
    entry_digests,
    agents,
    agent_jobs,
    log_chunks,
    sessions,
    former_paths,
);
