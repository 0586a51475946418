"""Which tests show which rule of AWS Lambda's behaviour: a row here for each row of what is to be matched.

Rule: a row names tests by their module and name; all rows together name every test of this suite.
"""

INVOKE: dict[str, tuple[str, ...]] = {
    "RequestResponse: 200, payload, executed version; null for nothing": (
        "test_invoke_answers::test_a_call_is_answered_200_with_the_payload_and_the_executed_version",
        "test_invoke_answers::test_any_json_value_is_an_event_and_an_answer",
        "test_invoke_answers::test_a_handler_that_returns_nothing_is_answered_null",
        "test_invoke_answers::test_request_response_is_the_default_invocation_type",
        "test_invoke_answers::test_an_unknown_invocation_type_is_refused",
        "test_function_errors::test_a_node_handler_that_answers_by_callback_is_answered",
        "test_aws_cli_smoke::test_the_aws_command_invokes_functions_and_shows_errors",
        "test_rie_differential::test_a_python_function_is_answered_alike",
    ),
    "Event: not accepted before it can be kept": (
        "test_invoke_answers::test_event_is_refused_501_and_nothing_runs",
        "test_rie_differential::test_a_known_defect_is_the_emulators_and_not_ours",
    ),
    "DryRun: 204, empty": (
        "test_invoke_answers::test_dry_run_is_answered_204_and_nothing_runs",
        "test_invoke_answers::test_dry_run_of_what_cannot_be_called_is_refused",
    ),
    "every answer: request id, trace id": (
        "test_invoke_answers::test_every_answer_has_a_request_id_of_its_own",
        "test_invoke_answers::test_the_function_sees_the_request_id_of_the_answer",
        "test_invoke_answers::test_an_answer_carries_a_trace_id_which_the_function_sees",
        "test_invoke_answers::test_the_callers_trace_id_is_kept",
    ),
    "log type Tail: the last 4 KB in base64": (
        "test_log_tail::test_a_tail_runs_from_start_to_report",
        "test_log_tail::test_a_tail_holds_the_last_four_kilobytes",
        "test_log_tail::test_nobody_gets_a_tail_who_did_not_ask_for_one",
        "test_log_tail::test_an_unknown_log_type_is_refused",
        "test_log_tail::test_a_dry_run_has_no_tail",
        "test_log_tail::test_a_failed_call_has_its_tail_as_well",
        "test_log_tail::test_a_tail_holds_nothing_of_another_call",
        "test_log_tail::test_a_tail_is_text_in_utf_8",
    ),
    "client context: base64 in, decoded to the runtime, at most 3583 bytes": (
        "test_client_context::test_a_python_function_sees_the_client_context_decoded",
        "test_client_context::test_other_functions_see_the_client_context_decoded",
        "test_client_context::test_the_runtime_is_handed_json_and_not_base64",
        "test_client_context::test_without_a_client_context_there_is_none",
        "test_client_context::test_without_a_client_context_the_runtime_is_handed_none",
        "test_client_context::test_a_client_context_of_one_call_is_not_the_next_ones",
        "test_client_context::test_a_client_context_may_hold_any_character",
        "test_client_context::test_a_client_context_has_at_most_3583_bytes",
        "test_client_context::test_a_client_context_that_is_no_object_in_base64_is_refused",
        "test_rie_differential::test_a_python_functions_context_is_alike",
    ),
    "handler raises: Unhandled, the runtime's own body": (
        "test_function_errors::test_a_python_handler_that_raises_is_answered_with_its_clients_own_body",
        "test_function_errors::test_a_node_handler_that_fails_is_answered_with_its_clients_own_body",
        "test_function_errors::test_a_node_handler_that_throws_a_string_is_answered_with_its_clients_own_body",
        "test_function_errors::test_an_exception_that_node_never_catches_is_the_answer",
        "test_function_errors::test_a_go_handler_that_returns_an_error_is_answered_with_its_clients_own_body",
        "test_function_errors::test_a_go_handler_that_panics_is_answered_with_its_clients_own_body_and_runs_again",
        "test_function_errors::test_the_runtimes_error_body_is_relayed_unchanged",
        "test_function_errors::test_an_error_is_never_called_handled",
        "test_function_errors::test_an_error_of_one_call_is_no_other_calls",
    ),
    "an import fails: Runtime.ImportModuleError, or the exception's class": (
        "test_function_errors::test_a_missing_module_is_an_import_module_error",
        "test_function_errors::test_a_missing_package_is_an_import_module_error",
        "test_function_errors::test_an_exception_at_import_keeps_its_class_and_has_no_request_id",
        "test_function_errors::test_an_exception_at_import_of_node_keeps_its_class",
        "test_function_errors::test_a_syntax_error_is_a_user_code_syntax_error",
        "test_function_errors::test_a_missing_handler_is_a_handler_not_found_error",
        "test_function_errors::test_a_function_that_cannot_start_fails_every_call",
        "test_rie_differential::test_an_import_that_fails_is_answered_alike",
    ),
    "timeout: Sandbox.Timedout": (
        "test_timeouts::test_a_function_that_runs_too_long_is_answered_that_it_timed_out",
        "test_timeouts::test_a_timeout_is_never_answered_before_it_is_due_and_soon_after",
        "test_timeouts::test_a_function_that_never_yields_times_out_as_well",
        "test_timeouts::test_the_function_can_tell_how_much_time_it_has",
        "test_timeouts::test_by_default_a_function_has_three_seconds_and_128_megabytes",
        "test_timeouts::test_a_response_that_comes_too_late_is_not_the_next_calls_answer",
        "test_timeouts::test_a_timed_out_call_is_no_longer_counted_as_running",
        "test_lifecycle::test_a_stopped_runtime_times_out_like_any_other",
    ),
    "the runtime exits: Runtime.ExitError": (
        "test_function_errors::test_a_runtime_that_exits_is_an_exit_error_and_runs_again",
        "test_function_errors::test_a_sys_exit_in_the_handler_is_an_exit_error",
        "test_function_errors::test_a_scripted_runtime_that_exits_is_an_exit_error_and_runs_again",
        "test_function_errors::test_a_runtime_that_is_killed_is_an_exit_error_and_runs_again",
        "test_function_errors::test_the_signal_that_ended_a_runtime_is_named",
        "test_function_errors::test_an_exit_at_import_is_an_exit_error",
        "test_function_errors::test_an_exit_at_the_start_of_a_scripted_runtime_is_an_exit_error",
        "test_lifecycle::test_a_program_that_is_no_program_is_an_invalid_entrypoint",
    ),
    "out of memory: Runtime.OutOfMemory": (
        "test_function_errors::test_more_memory_than_the_function_has_is_an_out_of_memory_error",
    ),
    "response over 6291556 bytes: Function.ResponseSizeTooLarge": (
        "test_payload_limits::test_a_response_may_have_six_mebibytes_and_a_hundred_bytes",
        "test_payload_limits::test_a_larger_response_is_a_function_error_and_the_next_call_works",
        "test_payload_limits::test_a_response_of_twice_the_size_is_no_different",
    ),
    "payload over 6291456 bytes: 413": (
        "test_payload_limits::test_an_event_of_six_mebibytes_reaches_the_function",
        "test_payload_limits::test_a_larger_event_is_refused_and_the_next_call_works",
        "test_payload_limits::test_the_limit_is_the_bodys_alone",
        "test_payload_limits::test_a_client_that_waits_to_be_told_to_send_its_body_is_told",
        "test_payload_limits::test_an_event_may_come_in_chunks",
    ),
    "empty body: {}": ("test_invoke_answers::test_an_empty_body_reaches_the_function_as_an_empty_object",),
    "name and Qualifier disagree: 400": (
        "test_name_and_qualifier::test_a_name_and_a_qualifier_that_disagree_are_refused",
        "test_name_and_qualifier::test_a_qualifier_said_twice_alike_is_right",
        "test_rie_differential::test_a_qualifier_is_ignored_by_the_emulator_and_not_by_us",
    ),
    "name or qualifier breaks its pattern: 400; 65 characters: 404": (
        "test_name_and_qualifier::test_a_name_or_a_qualifier_that_breaks_its_pattern_is_refused",
        "test_name_and_qualifier::test_an_unknown_function_is_a_404_that_names_its_arn",
    ),
    "body is not JSON: 400": (
        "test_invoke_answers::test_a_body_that_is_not_json_is_refused",
        "test_invoke_answers::test_a_call_that_is_refused_runs_nothing",
    ),
    "unknown function: 404 with its ARN": (
        "test_name_and_qualifier::test_an_unknown_function_is_a_404_that_names_its_arn",
        "test_name_and_qualifier::test_a_function_of_another_region_is_not_found",
        "test_name_and_qualifier::test_case_matters_in_a_name",
    ),
    "other errors: header, Type, the message's key": (
        "test_invoke_answers::test_every_errors_body_and_header_name_it_as_the_model_does",
        "test_answers_against_the_model::test_a_right_answer_has_no_problems",
        "test_answers_against_the_model::test_a_deviation_is_found",
    ),
    "throttled: 429 with its reason": (
        "test_throttling::test_exactly_the_reserved_concurrency_runs_at_once",
        "test_throttling::test_of_a_burst_exactly_the_reserved_concurrency_is_taken",
        "test_throttling::test_what_has_ended_leaves_its_place_to_the_next",
        "test_throttling::test_what_has_failed_leaves_its_place_to_the_next",
        "test_throttling::test_a_reserved_concurrency_of_none_throttles_everything",
        "test_throttling::test_a_client_that_retries_is_served_when_there_is_room",
        "test_throttling::test_a_call_whose_client_hung_up_counts_until_it_ends",
        "test_throttling::test_the_account_limit_is_what_its_functions_share",
        "test_throttling::test_a_reserved_share_is_the_functions_own",
        "test_throttling::test_another_namespace_has_an_account_of_its_own",
        "test_multi_concurrency::test_concurrency_counts_invocations_and_not_environments",
    ),
    "the qualifier stays in the invoked ARN": (
        "test_name_and_qualifier::test_every_way_to_name_a_function_reaches_it",
        "test_name_and_qualifier::test_a_qualifier_beside_the_name_is_part_of_the_invoked_arn",
    ),
    "which account a call means": (
        "test_name_and_qualifier::test_the_arns_account_is_the_namespace",
        "test_name_and_qualifier::test_a_header_names_the_namespace",
        "test_name_and_qualifier::test_the_arn_wins_over_the_header",
        "test_name_and_qualifier::test_a_header_that_is_no_namespace_is_refused",
        "test_name_and_qualifier::test_an_access_key_that_is_a_namespace_names_it",
        "test_name_and_qualifier::test_the_header_wins_over_the_access_key",
        "test_name_and_qualifier::test_any_other_access_key_means_the_default_namespace",
        "test_name_and_qualifier::test_a_call_without_a_signature_means_the_default_namespace",
        "test_name_and_qualifier::test_the_functions_own_credentials_mean_its_namespace",
        "test_name_and_qualifier::test_a_lambda_name_may_be_what_no_object_may_be_called",
    ),
    "InvokeWithResponseStream: to come": (
        "test_invoke_answers::test_a_streamed_response_cannot_be_asked_for_yet_and_nothing_runs",
    ),
    "a client that hangs up cancels nothing": (
        "test_hanging_up::test_the_function_goes_on_and_its_effect_is_seen",
        "test_hanging_up::test_the_instance_serves_the_next_caller",
        "test_hanging_up::test_a_client_that_hangs_up_before_the_body_is_whole_calls_nothing",
    ),
}

RUNTIME: dict[str, tuple[str, ...]] = {
    "environment that every stock runtime needs": (
        "test_runtime_environment::test_the_environment_has_what_every_stock_runtime_needs",
        "test_runtime_environment::test_nothing_else_is_in_the_environment",
        "test_runtime_environment::test_nothing_of_the_developers_reaches_a_function",
        "test_runtime_environment::test_a_functions_credentials_are_of_its_namespace_and_no_secret",
        "test_runtime_environment::test_a_functions_own_variables_are_there_the_more_particular_winning",
        "test_runtime_environment::test_the_context_has_the_functions_name_version_memory_and_log",
        "test_runtime_environment::test_the_trace_id_is_each_invocations_own",
        "test_runtime_environment::test_node_functions_run_on_awss_client_and_on_ours",
        "test_rie_differential::test_whatever_variable_the_emulator_gives_we_give_as_well",
    ),
    "environment recorded besides: TZ, LANG, paths": (
        "test_runtime_environment::test_the_time_zone_is_utc",
        "test_runtime_environment::test_the_code_directory_is_first_on_the_path_and_where_it_runs",
        "test_runtime_environment::test_dependencies_lie_in_the_code_directory_and_win_over_the_platforms",
        "test_runtime_environment::test_a_handler_may_lie_in_folders",
        "test_runtime_environment::test_the_aws_sdk_lies_beside_every_python_function",
    ),
    "UTF-8 from Python 3.12 on, escapes before": (
        "test_runtime_environment::test_from_python_3_12_on_an_answer_holds_utf_8_and_before_it_escapes",
    ),
    "JSON logs: format and level": (
        "test_runtime_environment::test_the_json_log_format_is_told_to_the_runtime",
        "test_log_lines::test_the_json_formats_level_is_info_by_default",
    ),
    "/tmp survives within an instance": (
        "test_runtime_environment::test_tmp_survives_between_invocations_of_an_instance",
        "test_runtime_environment::test_tmp_and_the_code_directory_are_each_instances_own",
    ),
    "GET next: headers, and the content type exactly": (
        "test_runtime_api_protocol::test_next_is_answered_with_the_invocations_headers",
        "test_runtime_api_protocol::test_the_content_type_of_an_invocation_is_exactly_json",
        "test_runtime_api_protocol::test_headers_without_a_value_are_left_out",
        "test_runtime_api_protocol::test_the_invocation_id_comes_back_if_it_was_sent",
        "test_runtime_environment::test_the_handler_gets_the_event_parsed",
        "test_rie_differential::test_a_scripted_runtime_is_told_alike",
    ),
    "next twice: the same invocation": (
        "test_runtime_api_protocol::test_next_twice_without_a_response_is_the_same_invocation",
    ),
    "several next at once: a different invocation each": (
        "test_runtime_api_protocol::test_several_polls_at_once_get_an_invocation_each",
    ),
    "busy until the next next": (
        "test_runtime_api_protocol::test_an_instance_is_busy_until_the_next_poll_and_not_until_the_response",
    ),
    "response and error: 202": (
        "test_runtime_api_protocol::test_a_response_and_an_error_are_accepted_with_202",
        "test_runtime_api_protocol::test_a_response_is_relayed_whatever_it_is",
        "test_runtime_api_protocol::test_a_response_may_come_in_chunks_or_byte_by_byte",
        "test_runtime_api_protocol::test_a_runtime_that_ends_after_its_response_has_answered",
        "test_runtime_api_protocol::test_half_a_response_is_none",
        "test_runtime_api_protocol::test_a_client_that_nobody_here_wrote_speaks_with_it",
    ),
    "wrong id: 400 InvalidRequestID": (
        "test_runtime_api_protocol::test_a_wrong_id_is_an_invalid_request_id",
        "test_runtime_api_protocol::test_the_id_of_an_invocation_that_is_over_is_an_invalid_request_id",
    ),
    "a second response or error: 403 InvalidStateTransition": (
        "test_runtime_api_protocol::test_a_second_answer_is_an_invalid_state_transition",
    ),
    "init/error: 202 before the first next, 403 after it": (
        "test_runtime_api_protocol::test_an_init_error_before_the_first_poll_is_accepted_and_is_the_answer",
        "test_runtime_api_protocol::test_an_init_error_after_the_first_poll_is_refused",
    ),
    "a response too large: 413 RequestEntityTooLarge": (
        "test_runtime_api_protocol::test_a_response_that_is_too_large_is_answered_413",
    ),
    "a client that dies of a 403 or a 413": (
        "test_runtime_api_protocol::test_a_client_that_dies_of_a_413_leaves_the_right_answer_and_the_next_call_works",
        "test_runtime_api_protocol::test_a_client_that_dies_of_a_403_leaves_the_right_answer_and_the_next_call_works",
    ),
    "restore/next: 404; unknown path: 404; wrong verb: 405": (
        "test_runtime_api_protocol::test_an_unknown_path_or_a_wrong_verb_is_refused",
    ),
    "Lambda-Runtime-Function-Error-Type": (
        "test_runtime_api_protocol::test_the_error_type_of_an_init_error_is_kept_if_it_is_one",
        "test_runtime_api_protocol::test_the_error_type_of_an_invocations_error_is_kept_if_it_is_one",
    ),
    "streaming: to come": ("test_runtime_api_protocol::test_a_response_that_is_streamed_arrives_whole",),
    "extensions and telemetry: to come": (
        "test_runtime_api_protocol::test_what_is_not_served_yet_is_not_found",
    ),
    "AWS_LAMBDA_MAX_CONCURRENCY": (
        "test_multi_concurrency::test_the_stock_client_runs_so_many_invocations_at_once_in_one_environment",
        "test_multi_concurrency::test_each_invocation_gets_its_own_event_id_and_log",
        "test_multi_concurrency::test_an_error_of_one_leaves_the_others_alone",
        "test_multi_concurrency::test_after_the_end_of_one_the_environment_works_again",
    ),
}

LIFECYCLE: dict[str, tuple[str, ...]] = {
    "INIT: 10 s, then once more inside the first invocation": (
        "test_lifecycle::test_an_init_that_takes_too_long_is_done_once_more_inside_the_first_invocation",
        "test_lifecycle::"
        "test_an_init_may_take_longer_than_the_functions_timeout_and_is_no_part_of_the_duration",
    ),
    "an init error is the answer of the invocation that waited": (
        "test_lifecycle::test_an_init_error_is_the_answer_of_the_invocation_that_waited_for_it",
        "test_lifecycle::test_after_a_failed_init_the_next_invocation_tries_again",
    ),
    "INVOKE after INVOKE on one runtime": (
        "test_lifecycle::test_an_instance_keeps_its_runtime_from_invocation_to_invocation",
        "test_lifecycle::test_an_error_of_the_handler_leaves_the_runtime_alone",
    ),
    "after a timeout or a crash: the whole group killed, a fresh runtime in the same environment": (
        "test_timeouts::test_after_a_timeout_the_next_call_works",
        "test_timeouts::test_a_timeout_ends_the_runtimes_whole_group_and_whoever_left_it",
        "test_lifecycle::test_after_a_crash_a_fresh_runtime_starts_in_the_same_environment",
        "test_lifecycle::test_children_of_an_invocation_end_with_the_runtime_and_not_before",
    ),
    "between invocations nothing runs": (
        "test_lifecycle::test_between_invocations_nothing_runs",
        "test_lifecycle::test_every_runtime_thaws_for_its_next_invocation",
    ),
    "SHUTDOWN: 2 s": (
        "test_lifecycle::test_the_runtime_is_asked_to_end_before_it_is_ended",
        "test_lifecycle::test_a_runtime_that_stays_is_ended_after_two_seconds",
        "test_lifecycle::test_an_idle_instance_is_kept_for_its_keep_alive_and_then_gone",
    ),
}

LOG_LINES: dict[str, tuple[str, ...]] = {
    "INIT_START": (
        "test_log_lines::test_a_start_is_logged_with_the_runtimes_version",
        "test_log_lines::test_what_is_printed_at_import_is_logged_before_the_first_start",
        "test_log_lines::test_an_init_that_failed_is_reported",
    ),
    "START, END, REPORT": (
        "test_log_lines::test_an_invocation_is_logged_from_start_to_report",
        "test_log_lines::test_a_report_ends_with_a_tab_and_a_newline",
        "test_log_lines::test_the_duration_is_the_handlers",
        "test_log_lines::test_the_report_tells_the_memory_there_is_and_the_memory_used",
        "test_log_lines::test_text_without_a_newline_is_logged_as_well",
        "test_log_lines::test_a_record_of_pythons_logging_has_its_level_time_and_request",
        "test_log_lines::test_a_console_line_of_node_has_its_time_request_and_level",
    ),
    "Status: timeout, Status: error, Error Type": (
        "test_log_lines::test_the_report_tells_how_a_call_failed",
        "test_log_lines::test_a_timeout_is_logged_between_start_and_end",
    ),
    "billed: rounded up, with the init duration": (
        "test_log_lines::test_the_billed_duration_rounds_up_and_includes_init",
        "test_log_lines::test_a_cold_calls_report_has_the_init_duration_and_a_warm_ones_has_not",
    ),
    "a tail has no INIT_START": ("test_log_tail::test_a_cold_calls_tail_begins_with_start_all_the_same",),
    "the JSON format": (
        "test_log_lines::test_the_json_format_is_one_object_a_line",
        "test_log_lines::test_an_error_in_the_json_format_is_one_object",
        "test_log_lines::test_a_timeout_in_the_json_format_is_in_the_report",
    ),
    "an error's lines are parted by newlines": (
        "test_log_lines::test_the_lines_of_a_python_error_are_parted_by_newlines",
        "test_log_lines::test_the_lines_of_a_node_error_are_parted_by_newlines",
    ),
}

ROWS = {**INVOKE, **RUNTIME, **LIFECYCLE, **LOG_LINES}
